# textground. `make help` lists the targets; CI calls these and nothing else.
SHELL := /bin/bash
GO ?= go
TOOLS := $(CURDIR)/.tools
VERSITYGW := $(TOOLS)/versitygw
BENCH_VENV := $(TOOLS)/bench-venv
INTEROP_VENV := $(TOOLS)/interop-venv

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

# The CUDA device is built in on Linux with gcc. It needs neither toolkit nor driver: cuda.h is our own.
ifeq ($(shell uname -s)$(shell $(GO) env CGO_ENABLED)$(shell command -v gcc >/dev/null && echo gcc),Linux1gcc)
CUDA := -tags cuda
endif
WITH_CUDA := CGO_CFLAGS="-O2 -g -I$(CURDIR)/kernels/cuda/driver/include"

build: ## bin/textground, with the CUDA device where there is gcc; it starts on machines without CUDA
	$(WITH_CUDA) $(GO) build $(CUDA) -o bin/textground ./cmd/textground

demo: build ## draw a world, train on it with workers that die, measure mIoU, write pictures (under 8 minutes)
	bin/textground demo --require 'miou>=0.24'

control: build ## the demo with captions of other images: fails unless mIoU ends below "before + 2 points"
	bin/textground demo --shuffled --demo-dir demo/control

test: $(VERSITYGW) ## all tests, race detector included
	$(GO) vet ./...
	CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/textground
	TEXTGROUND_VERSITYGW=$(VERSITYGW) $(GO) test -race -timeout 14m ./...
	$(WITH_CUDA) $(GO) test $(CUDA) ./kernels/cuda/...

test-nocgo: ## the tests without cgo: the reference kernels do the work
	CGO_ENABLED=0 $(GO) test ./...

test-cuda: test-cuda-kernels test-cuda-runs ## the CUDA device on an emulated card: kernels, goldens, whole runs (under 20 minutes)

EMULATED := $(CURDIR)/build/emu/libcuda.so
test-cuda-kernels: ## every kernel against the reference, and the goldens, on an emulated card (part of CI)
	kernels/emu/build.sh $(EMULATED)
	$(WITH_CUDA) TEXTGROUND_CUDA_DRIVER=$(EMULATED) $(GO) test -count=1 -tags cuda -timeout 20m \
	  ./kernels/emu/... ./kernels/cuda/... ./kernels/devices/... ./internal/golden/...
	$(WITH_CUDA) TEXTGROUND_CUDA_DRIVER=$(EMULATED) TG_EMU_SEED=2 TG_EMU_SM=80 \
	  $(GO) test -count=1 -tags cuda -timeout 20m -run TestConforms ./kernels/cuda

test-cuda-runs: ## runs of one, two and three emulated cards, of full and of dying ones
	kernels/emu/build.sh $(EMULATED)
	$(WITH_CUDA) TEXTGROUND_CUDA_DRIVER=$(EMULATED) $(GO) test -count=1 -tags cuda -timeout 20m -run TestCards ./cmd/textground

test-gpu: ## the CUDA device's tests on this machine's own card (docs/gpu.md)
	$(WITH_CUDA) TEXTGROUND_CUDA_DRIVER=libcuda.so.1 $(GO) test -count=1 -tags cuda -timeout 20m ./kernels/cuda/... ./kernels/devices/... ./internal/golden/...

test-cuda-asan: ## the kernels again, with AddressSanitizer
	kernels/emu/build.sh build/emu/libcuda-asan.so asan
	$(WITH_CUDA) TEXTGROUND_CUDA_DRIVER=$(CURDIR)/build/emu/libcuda-asan.so TG_EMU_CHECK=asan ASAN_OPTIONS=detect_leaks=0 \
	  $(GO) test -count=1 -tags cuda -timeout 20m -exec "env LD_PRELOAD=$$(g++ -print-file-name=libasan.so)" \
	  -run 'TestConforms|TestSanitizer|TestHopperProduct|TestFragments' ./kernels/emu ./kernels/cuda

test-cuda-races: ## the kernels again, every access to shared memory judged
	kernels/emu/build.sh build/emu/libcuda-races.so races
	$(WITH_CUDA) TEXTGROUND_CUDA_DRIVER=$(CURDIR)/build/emu/libcuda-races.so TG_EMU_CHECK=races \
	  $(GO) test -count=1 -tags cuda -timeout 20m -run 'TestConforms|TestRaces|TestHopperProduct|TestFragments' \
	  ./kernels/emu ./kernels/cuda

race: test ## the same: `make test` has the race detector on

lint: ## gofmt, vet, golangci-lint (.golangci.yml), all warnings of the C kernels
	@test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	$(GO) vet ./...
	gcc -fsyntax-only -O3 -std=c11 -Wall -Wextra -Werror kernels/cpu/*.c
	$(WITH_CUDA) $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run $(if $(CUDA),--build-tags cuda)

bench: $(BENCH_VENV)/ready ## speed beside OpenBLAS and PyTorch from PyPI; fails below a promised ratio (docs/benchmarks.md)
	$(BENCH_VENV)/bin/python -B scripts/bench/bench.py --json $(TOOLS)/bench.json $(BENCH_FLAGS)

$(BENCH_VENV)/ready: scripts/bench/requirements.txt
	python3 -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/pip install --quiet --requirement $<
	touch $@

bench-data: build $(VERSITYGW) $(INTEROP_VENV)/ready ## the loader beside torchvision and webdataset, and a 2 GB bucket through a 300 MB cache (docs/data.md)
	$(INTEROP_VENV)/bin/python -B scripts/bench/data.py $(VERSITYGW) $(BENCH_FLAGS)

bench-ingest: build $(INTEROP_VENV)/ready ## the ingest beside img2dataset on one loopback list of 2 000 URLs (docs/ingest.md)
	$(INTEROP_VENV)/bin/python -B scripts/bench/ingest.py bin/textground

interop: build $(INTEROP_VENV)/ready ## files to and from PyTorch, open_clip, webdataset and img2dataset, all from PyPI
	$(INTEROP_VENV)/bin/python -B scripts/interop/data.py bin/textground
	$(INTEROP_VENV)/bin/python -B scripts/interop/weights.py bin/textground

$(INTEROP_VENV)/ready: scripts/interop/requirements.txt
	python3 -m venv $(INTEROP_VENV)
	$(INTEROP_VENV)/bin/pip install --quiet --requirement $<
	touch $@

digest: build ## parameter digest of the tiny run: unchanged by changes that claim to alter no number
	TEXTGROUND_JPEG=go bin/textground train examples/tiny.yaml --workers 1 --json --page "" | tail -n 1

vitb16: ## the ViT-B/16 golden on the CPU (about 15 s and 2 GB)
	TEXTGROUND_VITB16=1 $(GO) test -v -run ViTB16 ./internal/golden

fuzz: ## every fuzz target, a minute each
	scripts/fuzz.sh

fuzz-keep: ## add what `make fuzz` found to the corpus that every test run tries (testdata/fuzz)
	scripts/fuzz-keep.sh

sim: ## 20 000 seeds of the coordinator under faults
	TEXTGROUND_SIM_SEEDS=20000 $(GO) test -timeout 60m ./coordinator/sim

ingest-large: ## 2 000 mixed URLs from a loopback server, and the same shards from one and four ingesters (race detector on)
	TEXTGROUND_INGEST_URLS=2000 $(GO) test -race -count=1 -v -run 'EveryURL|OneOrFour' ./dataset/ingest

proto: ## the run file's JSON Schema, from its Go types
	$(GO) run ./internal/schema examples/run.schema.json

clip-check: build ## 50 steps of the demo's CLIP again: must give the digest in the committed weights
	scripts/clip-check.sh

kernels: ## compile the CUDA kernels with nvcc 13.0 from PyPI into kernels/cuda/bin (no toolkit, no GPU needed)
	$(GO) run ./internal/nvcc

kernels-check: ## compile them again and want the committed bytes, no spills, and the tensor-core instructions
	$(GO) run ./internal/nvcc -check

$(VERSITYGW):
	GOBIN=$(TOOLS) $(GO) install github.com/versity/versitygw/cmd/versitygw@v1.8.0

.PHONY: help build test-gpu demo control test test-nocgo test-cuda test-cuda-kernels test-cuda-runs test-cuda-asan test-cuda-races race lint bench bench-data bench-ingest interop digest vitb16 fuzz fuzz-keep ingest-large sim proto clip-check kernels kernels-check
