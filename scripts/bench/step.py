"""The peer of the whole step: one lane of TCL (docs/tcl-spec.md) in PyTorch, eager float32, as one writes it with autograd.

Shapes: B images a lane, N texts, D vision width, E embedding, P mask positions. The shortcuts that cost a PyTorch user
nothing are taken (no graph through frozen parts, texts cut to the longest caption, the unmasked pass ends before the last
block); those that need kernels of their own are not. `check` proves on a golden file that it is the same step as ours.
"""

import json
import math
import struct
from collections import OrderedDict
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Vision:
    image: int
    patch: int
    width: int
    layers: int
    heads: int
    embed: int


@dataclass(frozen=True)
class Text:
    context: int
    vocab: int
    width: int
    layers: int
    heads: int


class Attention(nn.Module):
    def __init__(self, width, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) * width**-0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, x):
        rows, length, width = x.shape
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = qkv.view(rows, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out_proj(y.transpose(1, 2).reshape(rows, length, width))

    def value_only(self, x):
        """MaskCLIP: every token attends to itself alone."""
        width = x.shape[-1]
        return self.out_proj(F.linear(x, self.in_proj_weight[2 * width :], self.in_proj_bias[2 * width :]))


class QuickGELU(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    def __init__(self, width, heads, causal=False):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads, causal)
        self.mlp = nn.Sequential(
            OrderedDict(c_fc=nn.Linear(width, 4 * width), gelu=QuickGELU(), c_proj=nn.Linear(4 * width, width))
        )

    def forward(self, x, value_only=False):
        attend = self.attn.value_only if value_only else self.attn
        x = x + attend(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    def __init__(self, width, layers, heads, causal=False):
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads, causal) for _ in range(layers))


class ImageTower(nn.Module):
    def __init__(self, v):
        super().__init__()
        self.conv1 = nn.Conv2d(3, v.width, v.patch, v.patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(v.width) * v.width**-0.5)
        self.positional_embedding = nn.Parameter(torch.randn((v.image // v.patch) ** 2 + 1, v.width) * v.width**-0.5)
        self.ln_pre, self.ln_post = nn.LayerNorm(v.width), nn.LayerNorm(v.width)
        self.transformer = Transformer(v.width, v.layers, v.heads)
        self.proj = nn.Parameter(torch.randn(v.width, v.embed) * v.width**-0.5)

    def trunk(self, images):
        """All blocks but the last: [B, 3, S, S] -> [B, L, D]."""
        x = self.conv1(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], dim=1) + self.positional_embedding
        x = self.ln_pre(x)
        for block in self.transformer.resblocks[:-1]:
            x = block(x)
        return x

    def forward(self, images):
        x = self.transformer.resblocks[-1](self.trunk(images))
        return self.ln_post(x[:, 0]) @ self.proj


class CLIP(nn.Module):
    def __init__(self, v, t):
        super().__init__()
        self.visual = ImageTower(v)
        self.token_embedding = nn.Embedding(t.vocab, t.width)
        self.positional_embedding = nn.Parameter(torch.randn(t.context, t.width) * 0.01)
        self.transformer = Transformer(t.width, t.layers, t.heads, causal=True)
        self.ln_final = nn.LayerNorm(t.width)
        self.text_projection = nn.Parameter(torch.randn(t.width, v.embed) * t.width**-0.5)

    def texts(self, tokens):
        """[B, T] -> [B, E]; the end token has the highest id."""
        ends = tokens.argmax(dim=1)
        tokens = tokens[:, : int(ends.max()) + 1]
        x = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[1]]
        for block in self.transformer.resblocks:
            x = block(x)
        return self.ln_final(x[torch.arange(len(x)), ends]) @ self.text_projection


class Gate(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Parameter(torch.tensor(0.3))


class GatedConv(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm, self.conv, self.gate = nn.LayerNorm(width), nn.Conv2d(width, width, 3, padding=1), Gate()

    def forward(self, x):
        y = F.gelu(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return x + torch.tanh(self.gate.gate) * self.conv(y)


class Stage(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv, self.conv2 = GatedConv(width), GatedConv(width)

    def forward(self, x):
        return self.conv2(self.conv(F.interpolate(x, scale_factor=2, mode="nearest")))


class Projection(nn.Module):
    def __init__(self, width, embed):
        super().__init__()
        self.ln, self.proj = nn.LayerNorm(width), nn.Parameter(torch.randn(width, embed) * width**-0.5)

    def forward(self, x):
        return self.ln(x) @ self.proj


class Sim2Mask(nn.Module):
    def __init__(self):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.tensor(10.0)), nn.Parameter(torch.tensor(-2.5))


class Contrast(nn.Module):
    """Symmetric InfoNCE over scores [rows, N]; targets are the rows' own texts."""

    def __init__(self):
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, scores, targets):
        logits = self.logit_scale.exp().clamp(max=100) * scores
        own = torch.arange(len(scores))
        return 0.5 * (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T[targets], own))


class Grounder(nn.Module):
    def __init__(self, v):
        super().__init__()
        self.side = v.image // v.patch
        self.block = Block(v.width, v.heads)
        self.net = nn.ModuleList(Stage(v.width) for _ in range(2))
        self.image_proj = Projection(v.width, v.embed)
        self.sim2mask = Sim2Mask()
        self.tcli_loss, self.tclf_loss = Contrast(), Contrast()

    def pixels(self, x):
        """Tokens [B, L, D] -> pixel embeddings [B, P, E]."""
        x = self.block(x, value_only=True)[:, 1:]
        x = x.transpose(1, 2).reshape(len(x), -1, self.side, self.side)
        for stage in self.net:
            x = stage(x)
        return self.image_proj(x.flatten(2).transpose(1, 2))


@dataclass(frozen=True)
class Weights:
    tcl: float = 0.1
    area: float = 0.4
    tv: float = 1.0
    prior: float = 0.4
    tau: float = 1.0


def unit(x):
    return x / x.norm(dim=-1, keepdim=True).clamp(min=1e-6)


def variation(x):
    return (x[..., 1:] - x[..., :-1]).abs().mean() + (x[..., 1:, :] - x[..., :-1, :]).abs().mean()


class Model(nn.Module):
    def __init__(self, v, t, phase=1, weights=Weights()):
        super().__init__()
        self.clip, self.ground, self.weights = CLIP(v, t), Grounder(v), weights
        self.clip.requires_grad_(False)
        self.ground.block.requires_grad_(phase == 2)

    def lane(self, images, noise, texts, first):
        """One lane's scores [B, N] of both kinds and its four mask terms; its own texts begin at number first."""
        rows = torch.arange(len(images))
        with torch.no_grad():
            tokens = self.clip.visual.trunk(images)
        v = self.ground.pixels(tokens)
        sim = self.ground.sim2mask
        logits = sim.w * (unit(v) @ unit(texts).T).transpose(1, 2) + sim.b  # [B, N, P]
        masks = torch.sigmoid(logits)
        y = torch.sigmoid((logits[rows, first + rows] + torch.logit(noise)) / self.weights.tau)
        hard = (y > 0.5).float() + y - y.detach()  # [B, P], straight through

        side = math.isqrt(noise.shape[1])
        cut = F.interpolate(hard.view(-1, 1, side, side), size=images.shape[-2:], mode="nearest")
        image_scores = unit(self.clip.visual(cut * images)) @ unit(texts).T
        pooled = masks @ v / (masks.sum(dim=-1, keepdim=True) + 1e-6)  # [B, N, E]
        feature_scores = (unit(pooled) * unit(texts)).sum(dim=-1)

        means = masks.mean(dim=-1)
        own = torch.zeros_like(means, dtype=torch.bool)
        own[rows, first + rows] = True
        return image_scores, feature_scores, {
            "area_pos": (means[own].mean() - self.weights.prior).abs(),
            "area_neg": means[~own].mean().abs(),
            "tv_img": variation(v.transpose(1, 2).unflatten(-1, (side, side))),
            "tv_mask": variation(masks.unflatten(-1, (side, side))),
        }

    def losses(self, lanes, texts):
        """The six losses of lanes [(images, noise, first)] and their weighted total (tcl-spec section 3)."""
        images, features, terms = zip(*(self.lane(image, noise, texts, first) for image, noise, first in lanes))
        targets = torch.cat([first + torch.arange(len(image)) for image, _, first in lanes])
        loss = {name: torch.stack([t[name] for t in terms]).mean() for name in terms[0]}
        loss["tcl_v"] = self.ground.tcli_loss(torch.cat(images), targets)
        loss["tcl_f"] = self.ground.tclf_loss(torch.cat(features), targets)
        w = self.weights
        loss["total"] = (
            w.tcl * (loss["tcl_v"] + loss["tcl_f"])
            + w.area * (loss["area_pos"] + loss["area_neg"])
            + w.tv * (loss["tv_img"] + loss["tv_mask"])
        )
        return loss

    def trainable(self):
        return [p for p in self.parameters() if p.requires_grad]

    def optimiser(self, rate):
        """1-d tensors do not decay (tcl-spec section 6)."""
        vectors = [p for p in self.trainable() if p.ndim == 1]
        others = [p for p in self.trainable() if p.ndim != 1]
        groups = [{"params": others, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.999), eps=1e-6)

    def update(self, optimiser, loss):
        optimiser.zero_grad()
        loss["total"].backward()
        nn.utils.clip_grad_norm_(self.trainable(), 5.0)
        optimiser.step()


def stepper(v, t, batch, texts_in_all, phase):
    """A function that takes one step of one lane: caption embeddings, forward, backward, clipping, update."""
    torch.manual_seed(1)
    model = Model(v, t, phase)
    optimiser = model.optimiser(1e-6)
    tokens = torch.zeros(batch, t.context, dtype=torch.long)
    tokens[:, :11] = torch.tensor([t.vocab - 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, t.vocab - 1])
    images = torch.randn(batch, 3, v.image, v.image)
    noise = torch.rand(batch, (4 * v.image // v.patch) ** 2).clamp(1e-3, 1 - 1e-3)
    texts = torch.randn(texts_in_all, v.embed)

    def step():
        with torch.no_grad():
            texts[:batch] = model.clip.texts(tokens)
        loss = model.losses([(images, noise, 0)], texts)
        model.update(optimiser, loss)
        return loss["total"].item()

    return step


def read_golden(path):
    """A safetensors file: its configuration and its tensors by name."""
    kinds = {"F32": torch.float32, "F64": torch.float64, "I32": torch.int32, "U8": torch.uint8}
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = bytearray(file.read())
    config = json.loads(header.pop("__metadata__")["config"])
    tensors = {}
    for name, entry in header.items():
        lo, hi = entry["data_offsets"]
        tensors[name] = torch.frombuffer(data[lo:hi], dtype=kinds[entry["dtype"]]).view(entry["shape"])
    return config, tensors


def golden_name(name, layers):
    """The name that goldens.md gives to a parameter of Model."""
    encoder = "masker.image_encoder."
    for ours, theirs in {
        "ground.block.": f"{encoder}backbone.transformer.resblocks.{layers - 1}.",
        "ground.net.": f"{encoder}decoder.decoder.net.",
        "ground.image_proj.": f"{encoder}decoder.image_proj.",
        "ground.sim2mask.": "masker.sim2mask.",
        "ground.": "",
    }.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def check(path):
    """Fails unless losses, gradients and the updated parameters of a training golden come out, as goldens.md bounds them."""
    config, golden = read_golden(path)
    layers = config["vision"]["layers"]
    weights = Weights(**config["loss"], prior=config["area_prior_pos"], tau=config["gumbel_tau"])
    model = Model(Vision(**config["vision"]), Text(**config["text"]), config["phase"], weights)
    model.load_state_dict({name: golden["in.weights." + golden_name(name, layers)] for name in model.state_dict()})

    batch = config["micro_batch"]
    with torch.no_grad():
        texts = model.clip.texts(golden["in.tokens"].flatten(0, 1).long())
    lanes = [(image, noise, batch * i) for i, (image, noise) in enumerate(zip(golden["in.image"], golden["in.gumbel_u"]))]
    loss = model.losses(lanes, texts)
    rate = golden["opt.lr"][0].item()
    model.update(model.optimiser(rate), loss)
    scale = max(1.0, golden["opt.grad_norm"].item() / 5)  # update has clipped the gradients

    def bounded(what, have, want, bound):
        worst = (have.detach().double() - want.double()).abs().max().item()
        assert worst <= bound, f"{path}: {what} is off by {worst:.3g}, the bound is {bound:.3g}: not the same step"

    for name, value in loss.items():
        want = golden["loss." + name][0]
        bounded("loss." + name, value, want, 2e-6 * abs(want.item()))
    for name, p in model.named_parameters():
        if p.requires_grad:
            key = golden_name(name, layers)
            want = golden["grad." + key]
            bounded("grad." + key, p.grad * scale, want, 2e-4 * want.abs().max().item())
            bounded("step." + key, p, golden["step." + key], 0.05 * rate)
