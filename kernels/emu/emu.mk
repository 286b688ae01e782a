# The rules behind build.sh, which sets EMU, CUDA, OBJECTS, CHECK, OUT and CU.
CXX ?= g++
RUNTIME := $(wildcard $(EMU)/runtime/*.cc) $(EMU)/runtime/switch.S
KERNELS := $(patsubst %.cu,$(OBJECTS)/%.cu.o,$(notdir $(CU)))
DRIVER  := $(patsubst %,$(OBJECTS)/%.o,$(notdir $(RUNTIME)))

# No fused multiply-adds but those that a kernel asks for: the numbers are those of the source. Where the machine has
# AVX2 and FMA, fmaf is one instruction and not a call.
FAST := $(shell grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo && echo -march=x86-64-v3)
FLAGS := -std=c++17 -g1 -O2 $(FAST) -fPIC -ffp-contract=off -fno-math-errno -fno-strict-aliasing -fvisibility=hidden \
  -DTG_EMU -I$(EMU)/include -I$(CUDA)/driver/include -Wall -Wno-unknown-pragmas -Wno-unused-function -Wno-psabi -pthread
ifeq ($(CHECK),asan)
FLAGS += -DTG_EMU_ASAN -fsanitize=address --param asan-stack=0
endif
ifeq ($(CHECK),races)
FLAGS += -DTG_EMU_RACES
KERNEL_FLAGS := -fsanitize=thread
endif

$(OUT): $(KERNELS) $(DRIVER)
	$(CXX) -shared -pthread $(if $(filter asan,$(CHECK)),-fsanitize=address) -Wl,-Bsymbolic -Wl,--exclude-libs,ALL -o $@.new $^
	mv $@.new $@

# Every kernel file is in a namespace of its own, as nvcc compiles each alone. The headers that it includes stand before.
define kernel
$(OBJECTS)/$(notdir $(1)).o: $(1)
	printf '#include "emu.cuh"\n#include "emu_mma.cuh"\n#include "emu_hopper.cuh"\nnamespace {\n#include "%s"\n}\n' $(1) | \
	  $(CXX) $(FLAGS) $(KERNEL_FLAGS) -I$(CUDA) -I$(CUDA)/include -MMD -MP -MF $$(@:.o=.d) -MT $$@ -x c++ -c -o $$@ -
endef
$(foreach file,$(CU),$(eval $(call kernel,$(file))))

$(OBJECTS)/%.cc.o: $(EMU)/runtime/%.cc
	$(CXX) $(FLAGS) -O3 -MMD -MP -MF $(@:.o=.d) -c -o $@ $<

$(OBJECTS)/%.S.o: $(EMU)/runtime/%.S
	$(CXX) -c -o $@ $<

-include $(KERNELS:.o=.d) $(DRIVER:.o=.d)
