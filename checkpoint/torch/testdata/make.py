"""Writes state.pth and script.pt, which torch_test.go reads: every type, view and nesting that an importer meets."""

import pathlib

import torch


class Config:
    """A class that no importer knows, which refers to itself as omegaconf's do."""

    def __init__(self):
        self.parent = self
        self.values = {"a": [1, 2.5, 10**30]}


class Module(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(12.0).reshape(3, 4).half())
        self.blocks = torch.nn.Sequential(torch.nn.Linear(2, 3))
        self.register_buffer("resolution", torch.tensor(224))

    def forward(self, x):
        return x


here = pathlib.Path(__file__).parent
torch.manual_seed(1)
module = Module()
whole = torch.arange(24.0).reshape(4, 6)
state = {
    "model": module.state_dict(),
    "config": Config(),
    "step": 7,
    "half": torch.tensor([1.0, -0.5, 65504.0, 6e-8]).half(),
    "bfloat": torch.tensor([1.0, -0.5, 3e38]).bfloat16(),
    "double": torch.tensor([0.25, -3.0]).double(),
    "long": torch.tensor([-1, 0, 49408]),
    "transposed": whole.t(),
    "middle": whole[1:3, 2:5],
    "parameter": torch.nn.Parameter(torch.ones(2)),
    "nested": [torch.ones(1), (torch.tensor(5.0),)],
    "empty": torch.zeros(0, 3),
    "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}},
}
torch.save(state, here / "state.pth")
torch.jit.script(module).save(here / "script.pt")
