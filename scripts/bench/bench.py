"""The speed of textground beside OpenBLAS (in numpy) and PyTorch, on all cores, in one run.

Our side is the Go benchmarks of the packages, compiled once and called one at a time; the peers run in this process. The
two take turns, and the best of some rounds counts, so that a machine that does other work for a while harms neither.
Exit code 1 when a promised ratio is missed or cannot be computed.
"""

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

# These override OpenBLAS's choice of a kernel by processor. The peer shall have its best one.
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)

import numpy as np
import threadpoolctl
import torch
import torch.nn.functional as F

import step

ROOT = Path(__file__).resolve().parents[2]
BINARIES = ROOT / ".tools" / "bench"
PACKAGES = {name: ROOT / path for name, path in {
    "cpu": "kernels/cpu", "tcl": "tcl", "dataset": "dataset", "exchange": "exchange", "checkpoint": "checkpoint",
}.items()}
CORES = len(os.sched_getaffinity(0))
BLAS_FLOOR, STEP_FLOOR = 0.75, 1.0


@dataclass(frozen=True)
class Figure:
    """One line of the table. Both sides are measured in seconds a call; a call does `work` of `unit` (per second), or, for
    a unit of time, is shown itself."""

    what: str
    unit: str
    work: float
    benchmark: str  # PACKAGE Benchmark/sub/sub
    peer: str = ""
    prepare: Callable | None = None  # makes the peer's call
    floor: float | None = None
    calls: int = 5
    rounds: int = 5

    def shown(self, seconds):
        return 1e3 * seconds if self.unit == "ms" else self.work / seconds


@dataclass(frozen=True)
class Measured:
    figure: Figure
    ours: list[float]  # seconds a call, a round each
    peers: list[float]

    @property
    def ratio(self):
        return min(self.peers) / min(self.ours) if self.peers else None

    def row(self):
        f = self.figure
        return {
            "what": f.what, "unit": f.unit, "ours": f.shown(min(self.ours)),
            "peer": f.shown(min(self.peers)) if self.peers else None, "peer_name": f.peer, "ratio": self.ratio, "floor": f.floor,
            "ours_seconds": self.ours, "peer_seconds": self.peers,
        }


def matrices(rows, cols, inner, trans_a=False, trans_b=False):
    """numpy's product of [rows, inner] and [inner, cols], either of which lies transposed."""

    def prepare():
        rng = np.random.default_rng(1)
        draw = lambda m, n: rng.random((m, n), dtype=np.float32) - np.float32(0.5)
        a = draw(inner, rows).T if trans_a else draw(rows, inner)
        b = draw(cols, inner).T if trans_b else draw(inner, cols)
        out = np.empty((rows, cols), np.float32)
        return lambda: np.matmul(a, b, out=out)

    return prepare


def torch_convolution(side, up):
    def prepare():
        x = torch.randn(4, 768, side, side).contiguous(memory_format=torch.channels_last)
        conv = torch.nn.Conv2d(768, 768, 3, padding=1).requires_grad_(False)
        return lambda: conv(F.interpolate(x, scale_factor=2, mode="nearest") if up else x)

    return prepare


def product_figures():
    for rows, cols, inner, lies in [
        (788, 3072, 768, "NT"), (788, 768, 3072, "NT"), (788, 2304, 768, "NT"), (12544, 512, 768, "NN"),
        (768, 3072, 788, "TN"), (788, 768, 3072, "NN"),
    ]:
        shape = f"{rows}x{cols}x{inner}-{lies}"
        yield Figure(
            f"product {shape}", "GFLOP/s", 2e-9 * rows * cols * inner, f"cpu BenchmarkMatMul/{shape}/all",
            "OpenBLAS", matrices(rows, cols, inner, lies[0] == "T", lies[1] == "T"), BLAS_FLOOR,
        )


def convolution_figures():
    """The decoder's convolutions, 768 channels and 4 images. On an upsampled map ours folds 9 taps into 4, and so does the
    product that is its peer; PyTorch computes 9."""
    for side, up in [(14, True), (28, False), (28, True), (56, False)]:
        large, taps = (2 * side, 4) if up else (side, 9)
        pixels, kind = 4 * large * large, "up" if up else "plain"
        name = f"3x3 on {side}x{side}, upsampled" if up else f"3x3 on {side}x{side}"
        benchmark = f"cpu BenchmarkConv/{kind}-4x{side}x{side}x768"
        gflop = 2e-9 * pixels * 768 * 768 * taps
        calls = 5 if gflop < 50 else 2
        for what, operation, product in [
            ("forward", "forward", matrices(pixels, 768, taps * 768)),
            ("input gradient", "input", matrices(pixels, 768, taps * 768)),
            ("weight gradient", "weight", matrices(768, taps * 768, pixels, trans_a=True)),
        ]:
            yield Figure(f"{name}, {what}", "GFLOP/s", gflop, f"{benchmark}/{operation}/all", "OpenBLAS", product, BLAS_FLOOR, calls)
        yield Figure(f"{name}, forward", "maps/s", 4, f"{benchmark}/forward/all", "PyTorch", torch_convolution(side, up), calls=calls)


def step_figures():
    tiny = step.Vision(32, 8, 64, 3, 4, 32), step.Text(12, 64, 32, 2, 2)
    world = step.Vision(64, 8, 96, 4, 3, 96), step.Text(16, 1000, 96, 2, 3)
    paper = step.Vision(224, 16, 768, 12, 12, 512), step.Text(77, 49408, 512, 12, 8)
    for what, name, sizes, batch, texts, phase, unit, calls, rounds in [
        ("tiny step, B=3, N=6, phase 1", "tiny/phase1", tiny, 3, 6, 1, "steps/s", 50, 7),
        ("demo's step, B=4, N=32, phase 1", "world/phase1", world, 4, 32, 1, "images/s", 10, 5),
        ("ViT-B/16 step, B=4, N=64, phase 1", "vitb16/phase1", paper, 4, 64, 1, "images/s", 1, 4),
    ]:
        work = 1 if unit == "steps/s" else batch
        prepare = lambda sizes=sizes, batch=batch, texts=texts, phase=phase: step.stepper(*sizes, batch, texts, phase)
        yield Figure(what, unit, work, f"tcl BenchmarkStep/{name}", "PyTorch", prepare, STEP_FLOOR, calls, rounds)


def lone_figures():
    yield Figure("loader, the demo's scenes and augmentation", "images/s", 32, "dataset BenchmarkLoader/demo", calls=50, rounds=3)
    yield Figure("loader, 512 px to 224, the paper's augmentation", "images/s", 32, "dataset BenchmarkLoader/paper", calls=10, rounds=3)
    for workers in (2, 4):
        megabytes = 2 * workers * 4 * 21.6
        yield Figure(f"gradient exchange, {workers} workers, 86 MB each", "MB/s", megabytes, f"exchange BenchmarkExchange/{workers}-workers", rounds=3)
    yield Figure("checkpoint: a step is held up, 345 MB", "ms", 1, "tcl BenchmarkStall", calls=10)
    yield Figure("checkpoint: written behind it", "MB/s", 3 * 7 * 4.1 * 4, "checkpoint BenchmarkSaveAndLoad/save", calls=2, rounds=3)


def figures():
    yield from product_figures()
    yield from convolution_figures()
    yield from step_figures()
    yield from lone_figures()


def compile_benchmarks():
    BINARIES.mkdir(parents=True, exist_ok=True)
    packages = [f"./{path.relative_to(ROOT)}" for path in PACKAGES.values()]
    subprocess.run(["go", "test", "-c", "-o", f"{BINARIES}/", *packages], cwd=ROOT, check=True)


def run_ours(figure):
    """Seconds a call of a Go benchmark."""
    package, name = figure.benchmark.split()
    pattern = "/".join(f"^{re.escape(part)}$" for part in name.split("/"))
    done = subprocess.run(
        [BINARIES / f"{package}.test", "-test.run=^$", f"-test.bench={pattern}", f"-test.benchtime={figure.calls}x"],
        cwd=PACKAGES[package], capture_output=True, text=True,
    )
    found = re.findall(r"^Benchmark\S+\s+\d+\s+([0-9.]+) ns/op", done.stdout, re.MULTILINE)
    if done.returncode != 0 or len(found) != 1:
        sys.exit(f"{figure.what}: {name} gave {len(found)} figures, not one:\n{done.stdout}{done.stderr}")
    return 1e-9 * float(found[0])


def run_peer(figure, call):
    start = time.perf_counter()
    for _ in range(figure.calls):
        call()
    return (time.perf_counter() - start) / figure.calls


def measure(figure):
    ours, peers = [], []
    call = figure.prepare() if figure.prepare else None
    if call:
        call()
    for _ in range(figure.rounds):
        ours.append(run_ours(figure))
        if call:
            peers.append(run_peer(figure, call))
    return Measured(figure, ours, peers)


def demand_peers():
    """All cores for both peers; what numpy multiplies with must be OpenBLAS."""
    torch.set_num_threads(CORES)
    threadpoolctl.threadpool_limits(CORES, user_api="blas")
    blas = [lib for lib in threadpoolctl.threadpool_info() if lib["internal_api"] == "openblas"]
    if len(blas) != 1 or blas[0]["num_threads"] != CORES or torch.get_num_threads() != CORES:
        sys.exit(f"numpy {np.__version__} brings no OpenBLAS that runs {CORES} threads: {threadpoolctl.threadpool_info()}")
    for phase in (1, 2):
        step.check(ROOT / f"internal/golden/testdata/tiny_p{phase}.safetensors")
    return f"OpenBLAS {blas[0]['version']} ({blas[0]['architecture']}) in numpy {np.__version__}, PyTorch {torch.__version__}"


def first_line(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def machine(peers):
    model = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "date": datetime.date.today().isoformat(),
        "processor": f"{model.group(1) if model else platform.machine()}, {CORES} cores",
        "compilers": f"{first_line('gcc', '--version')}; {first_line('go', 'version')}",
        "peers": peers,
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def text_of(value):
    if value is None:
        return ""
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def markdown(about, rows):
    lines = [f"- {key}: {value}" for key, value in about.items()]
    lines += ["", "| what | unit | ours | peer | | ratio | promised |", "|---|---|--:|--:|---|--:|--:|"]
    for r in rows:
        ratio = "" if r["ratio"] is None else f"{r['ratio']:.2f}"
        floor = "" if r["floor"] is None else f"{r['floor']:.2f}"
        lines.append(f"| {r['what']} | {r['unit']} | {text_of(r['ours'])} | {text_of(r['peer'])} | {r['peer_name']} | {ratio} | {floor} |")
    return "\n".join(lines) + "\n"


MEASURED = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- end -->)", re.DOTALL)


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--json", metavar="FILE", help="write every round of every figure too")
    flags.add_argument("--into", metavar="FILE", help="replace what stands between <!-- measured --> and <!-- end -->")
    flags.add_argument("--only", metavar="WORD", default="", help="only the figures whose line has this word in it")
    args = flags.parse_args()

    wanted = [f for f in figures() if args.only in f.what]
    if not wanted:
        sys.exit(f"no line has the words {args.only!r} in it")
    compile_benchmarks()
    about, rows = machine(demand_peers()), []
    for figure in wanted:
        rows.append(measure(figure).row())
        print(markdown({}, rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)

    table = markdown(about, rows)
    print(table)
    if args.json:
        Path(args.json).write_text(json.dumps({"machine": about, "figures": rows}, indent=1) + "\n")
    if args.into:
        page = Path(args.into)
        page.write_text(MEASURED.sub(lambda _: table, page.read_text()))
    missed = [r for r in rows if r["floor"] and r["ratio"] < r["floor"]]
    for r in missed:
        print(f"{r['what']}: {r['ratio']:.2f} of {r['peer_name']}, but {r['floor']:.2f} is promised", file=sys.stderr)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
