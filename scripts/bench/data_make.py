"""Makes a bucket of photograph-like JPEGs in WebDataset shards: python scripts/bench/data_make.py DIRECTORY GIGABYTES

512 pixels on the short side, noise at all scales as photographs have it, quality 90. There are 240 different pictures, each under
many keys; every shard is another file. A directory that is complete is left alone.
"""

import io
import pathlib
import sys
import tarfile

import numpy as np
from PIL import Image

PICTURES, PER_SHARD = 240, 500


def photograph(number):
    rng = np.random.default_rng(number)
    width, height = [(512, 512), (683, 512), (512, 683)][number % 3]
    total = np.zeros((height, width, 3), np.float32)
    for octave in range(1, 10):
        grid = rng.normal(0, 1, (2**octave + 1, 2**octave + 1, 3)) * [1, 0.8, 0.6]
        for c in range(3):
            layer = Image.fromarray(grid[:, :, c].astype(np.float32)).resize((width, height), Image.BICUBIC)
            total[:, :, c] += np.asarray(layer) * 48 / 1.4**octave
    file = io.BytesIO()
    Image.fromarray(np.clip(total + 128, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def add(tar, name, data):
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def main():
    home, gigabytes = pathlib.Path(sys.argv[1]), float(sys.argv[2])
    if (home / "complete").exists():
        return
    (home / "root" / "bench" / "shards").mkdir(parents=True, exist_ok=True)
    pictures = [photograph(n) for n in range(PICTURES)]
    made = shard = 0
    while made < gigabytes * 1e9:
        path = home / "root" / "bench" / "shards" / f"{shard:05d}.tar"
        with tarfile.open(path, "w") as tar:
            for i in range(PER_SHARD):
                number = shard * PER_SHARD + i
                add(tar, f"{number:08d}.jpg", pictures[(number * 7 + shard) % PICTURES])
                add(tar, f"{number:08d}.txt", f"picture {number}, one of {PICTURES}".encode())
        made, shard = made + path.stat().st_size, shard + 1
    (home / "complete").touch()
    print(f"{shard} shards, {made / 1e9:.2f} GB, {sum(map(len, pictures)) / PICTURES / 1e3:.0f} kB a picture", file=sys.stderr)


main()
