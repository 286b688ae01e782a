"""The loader's peer: webdataset and torchvision, one process, one thread, the same shards, the same augmentation.

    python scripts/bench/data_peer.py SHARD IMAGES

Prints images a second of processor time, which other load on the machine does not count in.
"""

import resource
import sys
import time

import torch
import webdataset
from torchvision import transforms

torch.set_num_threads(1)
once = transforms.RandomApply([transforms.RandAugment(num_ops=1, magnitude=9)], p=0.5)
augment = transforms.Compose([
    transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), once, once, transforms.ToTensor(),
    transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), transforms.RandomErasing(p=0.25, scale=(0.02, 1 / 3), ratio=(0.3, 1 / 0.3), value="random"),
])
samples = webdataset.WebDataset([sys.argv[1]], shardshuffle=False).decode("pil").to_tuple("jpg", "txt").map_tuple(augment, str).repeat()
batches = iter(samples.batched(32))
next(batches)
count, spent, began = int(sys.argv[2]) // 32, resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
for _ in range(count):
    next(batches)
used = resource.getrusage(resource.RUSAGE_SELF)
cpu = used.ru_utime + used.ru_stime - spent.ru_utime - spent.ru_stime
print(f"{32 * count / cpu:.0f} {32 * count / (time.monotonic() - began):.0f}")
