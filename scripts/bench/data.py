"""make bench-data: the loader beside webdataset and torchvision, and a bucket of two gigabytes through a cache of 300 MB.

    python scripts/bench/data.py VERSITYGW [--gigabytes 2] [--steps 600] [--rounds 3]

The bucket is made once, under .tools/bench-data. Prints one table in Markdown.
"""

import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-secret", "AWS_REGION": "us-east-1"}


def gateway(program, root):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([program, "--port", f"127.0.0.1:{port}", "--access", "bench", "--secret", "bench-secret", "posix", str(root)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return server, {**os.environ, **KEYS, "TEXTGROUND_S3_ENDPOINT": f"http://127.0.0.1:{port}"}
        except OSError:
            time.sleep(0.05)
    sys.exit("versitygw did not start")


def stream(test, environment, **settings):
    """One run of TestStreamMeasured."""
    with tempfile.NamedTemporaryFile() as report:
        environment = {**environment, "TEXTGROUND_BENCH_REPORT": report.name, **{k: str(v) for k, v in settings.items()}}
        subprocess.run([test, "-test.run=^TestStreamMeasured$", "-test.count=1"], env=environment, check=True, stdout=subprocess.DEVNULL)
        return json.loads(pathlib.Path(report.name).read_text())


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("versitygw")
    ask.add_argument("--gigabytes", type=float, default=2)
    ask.add_argument("--steps", type=int, default=600, help="of 32 images, through the bucket")
    ask.add_argument("--rounds", type=int, default=3, help="of each loader, in turns")
    asked = ask.parse_args()
    home = pathlib.Path(".tools/bench-data").resolve()
    subprocess.run([sys.executable, "-B", str(HERE / "data_make.py"), str(home), str(asked.gigabytes)], check=True)
    test = home / "dataset.test"
    subprocess.run(["go", "test", "-c", "-o", str(test), "./dataset"], check=True)
    server, environment = gateway(asked.versitygw, home / "root")
    try:
        subprocess.run(["bin/textground", "data", "index", "--store", "s3://bench", "shards"], env=environment, check=True, stdout=sys.stderr)
        shard = home / "root" / "bench" / "shards" / "00000.tar"
        ours, gos, peers = [], [], []
        load = os.getloadavg()[0]
        local = {**os.environ, "TEXTGROUND_BENCH_DATA": str(home / "root" / "bench"), "GOMAXPROCS": "1"}
        for _ in range(asked.rounds):
            ours.append(stream(str(test), local, TEXTGROUND_BENCH_STEPS=60)["images_per_processor_second"])
            gos.append(stream(str(test), local, TEXTGROUND_BENCH_STEPS=20, TEXTGROUND_JPEG="go")["images_per_processor_second"])
            out = subprocess.run([sys.executable, "-B", str(HERE / "data_peer.py"), str(shard), "640"], check=True, capture_output=True, text=True).stdout
            peers.append(float(out.split()[0]))
        bucket = {**environment, "TEXTGROUND_BENCH_DATA": "s3://bench"}
        fast = stream(str(test), bucket, TEXTGROUND_BENCH_STEPS=asked.steps)
        step = 2000 * 32 / fast["images_per_second"]  # the loader delivers twice what such steps need
        paced = stream(str(test), bucket, TEXTGROUND_BENCH_STEPS=max(20, asked.steps // 4), TEXTGROUND_BENCH_STEP_MS=round(step))
    finally:
        server.terminate()
        server.wait()
    print(f"load before: {load:.1f} on {os.cpu_count()} cores; best of {asked.rounds} rounds\n")
    print("| what | unit | value |\n|---|---|--:|")
    print(f"| loader, {fast['decoder']}, 512 px to 224 augmented | images a second and core | {max(ours):.0f} |")
    print(f"| loader, jpeg-go | images a second and core | {max(gos):.0f} |")
    print(f"| webdataset and torchvision | images a second and core | {max(peers):.0f} |")
    print(f"| ours over theirs | | {max(ours) / max(peers):.2f} |")
    print(f"| bucket of {fast['data_bytes'] / 1e9:.2f} GB, cache 300 MB, as fast as it goes | images/s | {fast['images_per_second']:.0f} |")
    print(f"| bytes read over bytes needed, {fast['images']:.0f} images | | {fast['bytes_read'] / fast['bytes_needed']:.2f} |")
    later = paced["seconds"] - paced["first_wait_seconds"] - step / 1000
    print(f"| steps of {step:.0f} ms, half the loader's rate: the first waits for its batch | ms | {1000 * paced['first_wait_seconds']:.0f} |")
    print(f"| the {paced['images'] / 32 - 1:.0f} steps after it: share of time waited | % | {100 * paced['later_waits_seconds'] / later:.2f} |")
    print(f"| all of them: share of time waited | % | {100 * (paced['first_wait_seconds'] + paced['later_waits_seconds']) / paced['seconds']:.2f} |")


main()
