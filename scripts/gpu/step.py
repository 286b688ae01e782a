"""The step of scripts/bench/step.py on an NVIDIA card, to be read beside `textground bench step --device cuda`.

    python scripts/gpu/step.py --micro-batch 16 --batch 256 [--autocast] [--compile]

It prints one JSON object a line, with the keys of `textground bench step --json`. --autocast feeds the tensor cores with
bfloat16, as our device does; without it PyTorch computes in float32 (TF32 where --tf32 allows it).
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
import step  # noqa: E402

VISION = step.Vision(image=224, patch=16, width=768, layers=12, heads=12, embed=512)
TEXT = step.Text(context=77, vocab=49408, width=512, layers=12, heads=8)


def measure(take, seconds=3.0):
    """Seconds a step: some that are not counted, and then as many as take that long."""
    for _ in range(3):
        take()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        take()  # reads the loss, and so waits
        steps += 1
    return (time.perf_counter() - start) / steps


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--micro-batch", type=int, default=16, help="images a lane")
    parser.add_argument("--batch", type=int, default=256, help="texts that every image is compared with")
    parser.add_argument("--autocast", action="store_true", help="bfloat16 on tensor cores")
    parser.add_argument("--tf32", action="store_true", help="TF32 for what stays float32")
    parser.add_argument("--compile", action="store_true", help="torch.compile the lane")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("scripts/gpu/step.py: PyTorch finds no NVIDIA card; scripts/bench/bench.py has the same step on processors")
    torch.set_default_device("cuda")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.tf32
    if args.compile:
        step.Model.lane = torch.compile(step.Model.lane)
    for phase in (1, 2):
        take = step.stepper(VISION, TEXT, args.micro_batch, args.batch, phase)

        def once():
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=args.autocast):
                take()

        seconds = measure(once)
        kind = f"torch-{torch.__version__} {torch.cuda.get_device_name()}"
        kind += " bf16" if args.autocast else " tf32" if args.tf32 else " float32"
        kind += " compiled" if args.compile else ""
        print(json.dumps({
            "device": kind, "phase": phase, "micro_batch": args.micro_batch, "batch": args.batch, "seconds": seconds,
            "images_per_second": args.micro_batch / seconds, "peak_bytes": torch.cuda.max_memory_allocated(),
        }), flush=True)


if __name__ == "__main__":
    main()
