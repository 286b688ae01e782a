"""textground ingest beside img2dataset: the same list from the same loopback server in the same run. Prints images a second
and core for both and their ratio, and fails below LEAST.

    python scripts/bench/ingest.py BINARY [--urls 2000] [--only-ours]

A second of a core is a second of processor time, of the process and its children: so another load on the machine, the server
among it, does not count. The promised ratio is that of the whole commands. img2dataset's start takes about ten seconds of
processor, which a long list hides; so the ratio without the start, measured with a short list and taken off for both, is printed
too and must not fall below LEAST_LATER.
"""

import argparse
import http.server
import io
import multiprocessing
import pathlib
import resource
import subprocess
import sys
import tarfile
import tempfile
import time

import numpy as np
from PIL import Image, ImageFilter

LEAST, LEAST_LATER = 2.0, 1.5
SIZES = [(320, 240), (500, 375), (640, 480), (800, 600), (1024, 683), (1280, 960)]  # as lists of web images have them
FEW = 12  # URLs of the short list


def photograph(size, seed):
    """Something that compresses like a photograph: large soft shapes, edges and a little grain."""
    draw = np.random.default_rng(seed)
    width, height = size
    coarse = Image.fromarray(draw.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    edges = Image.fromarray(draw.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize(size, Image.Resampling.NEAREST)
    grain = draw.normal(0, 6, (height, width, 3))
    pixels = 0.7 * np.asarray(coarse, float) + 0.3 * np.asarray(edges.filter(ImageFilter.GaussianBlur(1)), float) + grain
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def encoded(image, kind):
    file = io.BytesIO()
    image.save(file, kind, **({"quality": 88} if kind == "JPEG" else {}))
    return file.getvalue()


def contents():
    """What the server has, by the first word of a path, and the words of the list."""
    files = {f"jpeg{i}-{seed}": encoded(photograph(size, 10 * i + seed), "JPEG") for i, size in enumerate(SIZES) for seed in range(3)}
    words = list(files) * 2
    files["png"] = encoded(photograph((400, 300), 77), "PNG")
    files["webp"] = encoded(photograph((600, 450), 78), "WEBP")
    files["html"] = b"<!DOCTYPE html><html></html>"
    files["cut"] = files["jpeg2-0"][: len(files["jpeg2-0"]) // 2]
    return files, words + ["png", "webp", "html", "cut", "404"]


def serve(files, port):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            data = files.get(self.path.split("/")[1])
            self.send_response(200 if data else 404)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 512

    server = Server(("127.0.0.1", 0), Handler)
    port.put(server.server_address[1])
    server.serve_forever()


def processor_seconds(command):
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.monotonic() - began


def images_in(directory):
    """How many images stand in the shards, and that each has its caption."""
    count = 0
    for shard in sorted(directory.glob("*.tar")):
        names = tarfile.open(shard).getnames()
        keys = {name.rsplit(".", 1)[0] for name in names if name.endswith(".jpg")}
        if not all(key + ".txt" in names and key + ".json" in names for key in keys):
            sys.exit(f"FAILED: {shard} has an image without caption or provenance")
        count += len(keys)
    return count


def ours(binary, urls, out, reencode):
    command = [binary, "ingest", urls, "--to", out, "--allow-private", "--per-host", 32, "--pace", "0s", "--downloads", 32, "--backoff", "10ms"]
    return command + (["--reencode"] if reencode else [])


def theirs(urls, out, reencode):
    return [pathlib.Path(sys.executable).parent / "img2dataset", f"--url_list={urls}", "--input_format=csv", "--url_col=url", "--caption_col=caption",
            f"--output_folder={out}", "--output_format=webdataset", "--resize_mode=keep_ratio", "--image_size=512", "--resize_only_if_bigger=True",
            f"--skip_reencode={not reencode}", "--encode_quality=90", "--processes_count=1", "--thread_count=32", "--number_sample_per_shard=1000",
            "--enable_wandb=False"]


def measure(name, command, place, lists, reencode):
    """Images a second of one core: of the whole command, and what a start costs taken off."""
    results = []
    for length, urls in lists.items():
        out = place / f"{name}-{reencode}-{length}"
        seconds, wall = processor_seconds(command(urls, out, reencode))
        results.append((images_in(out), seconds))
        print(f"  {name:12} {length:5} URLs: {results[-1][0]} images, {seconds:.2f} s of processor, {wall:.2f} s in all")
    (few, start), (many, seconds) = results
    return many / seconds, (many - few) / (seconds - start), many


def main():
    options = argparse.ArgumentParser()
    options.add_argument("binary")
    options.add_argument("--urls", type=int, default=2000)
    options.add_argument("--only-ours", action="store_true")
    args = options.parse_args()
    files, words = contents()
    port = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(files, port), daemon=True)
    server.start()
    root = f"http://127.0.0.1:{port.get()}"
    low = []
    with tempfile.TemporaryDirectory() as scratch:
        place = pathlib.Path(scratch)
        lists = {}
        for length in (FEW, args.urls):
            lists[length] = place / f"{length}.csv"
            lists[length].write_text("url,caption\n" + "".join(f"{root}/{words[i * 7 % len(words)]}/{i},picture {i}\n" for i in range(length)))
        for reencode in (False, True):
            print("every JPEG encoded again" if reencode else "JPEGs of at most 512 pixels kept as they are")
            mine, mine_later, count = measure("textground", lambda *a: ours(args.binary, *a), place, lists, reencode)
            if args.only_ours:
                print(f"  {mine:.0f} images/s and core, {mine_later:.0f} after the start")
                continue
            other, other_later, others = measure("img2dataset", theirs, place, lists, reencode)
            for what, a, b, least in (("in all", mine, other, LEAST), ("after the start", mine_later, other_later, LEAST_LATER)):
                print(f"  {what}: textground {a:.0f}, img2dataset {b:.0f} images/s and core: {a / b:.2f} times, promised {least}")
                low += [f"{a / b:.2f} times img2dataset {what}, promised is {least}"] if a / b < least else []
            if count != others:
                low.append(f"{count} and {others} images")
    server.terminate()
    if low:
        sys.exit("FAILED: " + "; ".join(low))


if __name__ == "__main__":
    main()
