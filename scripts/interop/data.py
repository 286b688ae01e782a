"""Shards to and from webdataset and img2dataset.

    python scripts/interop/data.py BINARY

Shards that `textground data world` wrote must come out of webdataset as they went in. Shards that webdataset's ShardWriter and
img2dataset (from a loopback server) wrote must be indexed, verified, counted and trained on for a few steps.
"""

import http.server
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import threading

import numpy as np
import webdataset
from PIL import Image

SAMPLES = 48


def picture(number, width=96, height=80):
    """A picture of a few soft colours, another for every number."""
    coarse = np.random.default_rng(number).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.BICUBIC)


def encoded(number, format):
    file = io.BytesIO()
    picture(number).save(file, format)
    return file.getvalue()


def run(binary, *arguments, cwd):
    done = subprocess.run([binary, *arguments], cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"textground {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def read_ours(binary, home):
    """webdataset reads what we wrote, in order, with our captions and decodable images."""
    run(binary, "data", "world", "--store", "store", "ours", "--scenes", str(SAMPLES), "--per-shard", "16", cwd=home)
    shards = sorted(str(p) for p in (home / "store" / "ours").glob("*.tar"))
    index = json.loads((home / "store" / "ours" / "index.json").read_text())
    wanted = [key for shard in index["shards"] for key in shard["keys"].split("\n")]
    got = list(webdataset.WebDataset(shards, shardshuffle=False).decode("pil").to_tuple("__key__", "jpg", "txt"))
    assert [key for key, _, _ in got] == wanted, "webdataset reads other keys"
    assert all(image.size == (64, 64) and caption for _, image, caption in got)
    print(f"webdataset reads our {len(shards)} shards: {len(got)} samples")


def check(binary, home, prefix, samples, skipped=""):
    """Index, verify, count and train on a few steps of what others wrote."""
    indexed = run(binary, "data", "index", "--store", "store", prefix, cwd=home)
    assert indexed.stdout.startswith(f"{samples} pairs "), indexed.stdout + indexed.stderr
    assert skipped in indexed.stderr, indexed.stderr
    again = run(binary, "data", "index", "--store", "store", prefix, cwd=home)
    assert "0 shards read" in again.stderr and again.stdout == indexed.stdout, again.stderr
    run(binary, "data", "verify", "--store", "store", prefix, cwd=home)
    stats = json.loads(run(binary, "data", "stats", "--store", "store", prefix, "--json", cwd=home).stdout)
    assert stats["looked_at"] == samples and not stats["unusable"], stats
    run(binary, "data", "show", "--store", "store", prefix, "--out", prefix + ".png", cwd=home)
    file = home / (prefix + ".yaml")
    file.write_text(f"""name: {prefix}
seed: 7
steps: 3
phase2_from: 2
batch: 8
micro_batch: 2
model: {{clip: builtin:world, vocabulary: builtin:world}}
data:
  shards: {prefix}
  window: 16
  augment: {{crop: true, scale_min: 0.3, scale_max: 1, ratio_min: 0.75, ratio_max: 1.34, flip: 0.5, shift: 0, shift_stride: 0, rand_augment: "", gain: 0, erase: 0}}
loss: {{prior: 0.18}}
optimiser: {{rate: 8.0e-3, min_rate: 8.0e-4, warmup_steps: 1, warmup_start: 0.1, gates: 3, sim: 10, block: 0.125}}
checkpoint: {{every: 3, keep: 1}}
store: file://store
workers: 1
""")
    done = run(binary, "train", str(file), "--workers", "1", "--json", "--page", "", cwd=home)
    outcome = json.loads(done.stdout.strip().split("\n")[-1])
    assert outcome["outcome"] == "done" and outcome["step"] == 3, outcome
    print(f"{prefix}: {samples} samples ({stats['formats']}) indexed, verified and trained on for {outcome['step']} steps")


def written_by_webdataset(home):
    """ShardWriter's tars, with each image format, captions as txt and in json, and members that nobody needs."""
    (home / "store" / "webdataset").mkdir(parents=True)
    with webdataset.ShardWriter(str(home / "store" / "webdataset" / "shard-%06d.tar"), maxcount=20, verbose=0) as sink:
        for number in range(SAMPLES):
            extension, format = [("jpg", "JPEG"), ("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")][number % 4]
            sample = {"__key__": f"sample{number:05d}", extension: encoded(number, format), "cls": number % 7}
            if number % 2:
                sample["txt"] = f"a picture of number {number}"
            else:
                sample["json"] = {"text": f"a picture of number {number}", "width": 96}
            sink.write(sample)


class Pictures(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        number = int(self.path.strip("/").split(".")[0])
        body = encoded(number, "PNG" if number % 3 == 0 else "JPEG") if number < SAMPLES else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def written_by_img2dataset(home):
    """What img2dataset makes of a list of URLs, the last two of which are dead."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    place = f"http://127.0.0.1:{server.server_port}"
    (home / "list.tsv").write_text("url\tcaption\n" + "".join(f"{place}/{n}.jpg\ta picture of number {n}\n" for n in range(SAMPLES + 2)))
    subprocess.run(
        [str(pathlib.Path(sys.executable).parent / "img2dataset"), "--url_list", "list.tsv", "--input_format", "tsv", "--url_col", "url", "--caption_col", "caption",
         "--output_folder", "store/img2dataset", "--output_format", "webdataset", "--image_size", "96", "--resize_mode", "keep_ratio", "--number_sample_per_shard", "20",
         "--processes_count", "1", "--thread_count", "4", "--enable_wandb", "False"],
        cwd=home, check=True, capture_output=True, timeout=300)
    server.shutdown()


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as directory:
        home = pathlib.Path(directory)
        read_ours(binary, home)
        written_by_webdataset(home)
        check(binary, home, "webdataset", SAMPLES, "unused_entry")
        written_by_img2dataset(home)
        check(binary, home, "img2dataset", SAMPLES)


if __name__ == "__main__":
    main()
