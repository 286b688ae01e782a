"""Weights between textground and PyTorch: what open_clip, transformers and PyTorch write is imported and gives the same features and
token ids; a TCL of PyTorch's is imported; what textground exports is loaded bit for bit, with weights_only and strict.

    python scripts/interop/weights.py BINARY [--small]

Models have random weights: small ones, which take seconds, and ViT-B/16 and ViT-B/32 (600 MB a file), which --small leaves out.
"""

import argparse
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import omegaconf
import open_clip
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

TEXTS = [
    "a photo of a cat",
    "Two dogs, one   bicycle &amp; 3 umbrellas!!",
    "L'été à la plage -- naïve café ☕ 東京",
    "it's " + "a very long caption that does not fit into the context " * 12,
    "",
]
IMAGENET_MEAN, IMAGENET_STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
TOLERANCE = 1e-4  # of the largest value


def call(*args, expect=0):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True)
    if done.returncode != expect:
        sys.exit(f"{' '.join(map(str, args))}: exit code {done.returncode}, wanted {expect}\n{done.stdout}{done.stderr}")
    return done


def require(condition, what):
    if not condition:
        sys.exit(f"FAILED: {what}")


class Place:
    """A scratch directory, the binary, and a picture for each size."""

    def __init__(self, binary, directory):
        self.binary, self.directory = binary, pathlib.Path(directory)

    def picture(self, side):
        path = self.directory / f"{side}.png"
        pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        values = (pixels.astype(np.float32) / 255 - IMAGENET_MEAN) / IMAGENET_STD
        return path, torch.from_numpy(values.transpose(2, 0, 1).copy())[None]

    def imported(self, source, *flags):
        out = self.directory / "imported.safetensors"
        report = json.loads(call(self.binary, "import", source, "--to", out, "--json", *flags).stdout)
        digest = hashlib.sha256()
        if not str(source).endswith(".json"):
            digest.update(pathlib.Path(source).read_bytes())
            require(report["sha256"] == digest.hexdigest(), f"{source}: the digest")
        return out, report

    def embeddings(self, weights, picture):
        flags = [flag for text in TEXTS for flag in ("--text", text)]
        return json.loads(call(self.binary, "clip", "embed", "--weights", weights, "--image", picture, "--json", *flags).stdout)


def relative_error(got, want):
    got, want = np.array(got, dtype=np.float64), want.double().numpy()
    return np.abs(got - want).max() / np.abs(want).max() if got.shape == want.shape else np.inf


def compare(what, got, want):
    worst = relative_error(got, want)
    require(worst <= TOLERANCE, f"{what}: relative error {worst:.2e}")
    return worst


def check(place, name, source, encode_image, encode_text, side, *flags, format=None):
    """Imports a file and compares features and token ids."""
    began = time.monotonic()
    weights, report = place.imported(source, *flags)
    require(format is None or report["format"] == format, f"{name}: format {report['format']}")
    path, pixels = place.picture(side)
    out = place.embeddings(weights, path)
    tokens = open_clip.tokenize(TEXTS)
    require(out["tokens"] == tokens.tolist(), f"{name}: token ids")
    with torch.no_grad():
        images = compare(f"{name}: images", out["images"], encode_image(pixels))
        texts = compare(f"{name}: texts", out["texts"], encode_text(tokens))
    print(f"  {name}: {report['model']}, {report['format']}: images {images:.1e}, texts {texts:.1e}, ids equal, {time.monotonic() - began:.1f} s", flush=True)


def randomised(model, seed):
    """Weights of a size at which every part of the model matters, biases and norms included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.02)
    return model.eval()


def small_clip(seed, quick_gelu=True):
    return randomised(open_clip.model.CLIP(
        48, vision_cfg=dict(image_size=64, layers=3, width=128, patch_size=16),
        text_cfg=dict(context_length=77, vocab_size=49408, width=64, heads=1, layers=2), quick_gelu=quick_gelu), seed)


class Archive(torch.nn.Module):
    """The state of a CLIP as TorchScript archives hold it: modules, parameters, and in OpenAI's three numbers."""

    def __init__(self, clip, numbers):
        super().__init__()
        self.visual, self.transformer, self.token_embedding, self.ln_final = clip.visual, clip.transformer, clip.token_embedding, clip.ln_final
        self.positional_embedding, self.text_projection, self.logit_scale = clip.positional_embedding, clip.text_projection, clip.logit_scale
        if numbers:
            for name, value in dict(input_resolution=clip.visual.image_size[0], context_length=77, vocab_size=49408).items():
                self.register_buffer(name, torch.tensor(value))

    def forward(self, x):
        return x * self.logit_scale


def open_clip_formats(place, name, model, activation="quick_gelu"):
    """The model in every format, its activation said by a flag, a config beside it or OpenAI's numbers."""
    side = model.visual.image_size[0]
    directory = place.directory / name
    directory.mkdir()
    state, flag = model.state_dict(), ("--activation", activation)
    other = {"quick_gelu": "gelu", "gelu": "quick_gelu"}[activation]

    torch.save(state, directory / "model.pt")
    check(place, f"{name} .pt", directory / "model.pt", model.encode_image, model.encode_text, side, *flag, format="PyTorch archive")
    wrong_activation_shows(place, name, directory / "model.pt", model, side, other)
    (directory / "model.pt").unlink()

    torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}, directory / "model.bin")
    check(place, f"{name} .bin of a training run", directory / "model.bin", model.encode_image, model.encode_text, side, *flag)
    (directory / "model.bin").unlink()

    save_file({key: value.contiguous() for key, value in state.items()}, directory / "model.safetensors")
    (directory / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"quick_gelu": True} if activation == "quick_gelu" else {}}))
    check(place, f"{name} safetensors", directory / "model.safetensors", model.encode_image, model.encode_text, side, format="safetensors")
    refused = call(place.binary, "import", directory / "model.safetensors", "--activation", other, expect=2)
    require(f"open_clip_config.json says {activation}" in refused.stderr, f"{name}: a flag that contradicts the config is refused: {refused.stderr}")
    (directory / "open_clip_config.json").unlink()
    (directory / "model.safetensors").unlink()

    model.half().float()  # the archive's numbers
    openais = activation == "quick_gelu"
    archive = torch.jit.trace(Archive(model, openais).half(), torch.ones(1).half(), check_trace=False)
    archive.save(str(directory / "ViT.pt"))
    model.float()
    check(place, f"{name} TorchScript, float16", directory / "ViT.pt", model.encode_image, model.encode_text, side, *(() if openais else flag), format="TorchScript archive")
    (directory / "ViT.pt").unlink()


def wrong_activation_shows(place, name, source, model, side, activation):
    """Unless the other activation gives other features, agreement says nothing."""
    weights, _ = place.imported(source, "--activation", activation)
    path, pixels = place.picture(side)
    out = place.embeddings(weights, path)
    with torch.no_grad():
        for tower, got, want in (("images", out["images"], model.encode_image(pixels)), ("texts", out["texts"], model.encode_text(open_clip.tokenize(TEXTS)))):
            error = relative_error(got, want)
            require(error > 10 * TOLERANCE, f"{name}: {tower} with {activation} differ by {error:.1e} only")


def hugging_face(place, name, config, shard_bytes):
    """transformers' own model, in as many files as it likes."""
    model = randomised(transformers.CLIPModel(config), 3)
    directory = place.directory / name
    model.save_pretrained(directory, max_shard_size=shard_bytes)
    files = sorted(directory.glob("*.index.json")) or sorted(directory.glob("*.safetensors"))

    def projected(output):  # a tensor, or an output that holds it, by version
        return output if isinstance(output, torch.Tensor) else output.pooler_output

    check(place, f"{name}, {files[0].name}", files[0], lambda pixels: projected(model.get_image_features(pixels)),
          lambda tokens: projected(model.get_text_features(tokens)), config.vision_config.image_size)
    torch.save(model.state_dict(), directory / "pytorch_model.bin")
    check(place, f"{name}, pytorch_model.bin", directory / "pytorch_model.bin", lambda pixels: projected(model.get_image_features(pixels)),
          lambda tokens: projected(model.get_text_features(tokens)), config.vision_config.image_size)
    written = json.loads((directory / "config.json").read_text())
    written["text_config"]["hidden_act"] = "gelu_new"
    (directory / "config.json").write_text(json.dumps(written))
    refused = call(place.binary, "import", files[0], expect=2)
    require("text_config.hidden_act" in refused.stderr, f"{name}: a model with another GELU is refused: {refused.stderr}")


def small_hugging_face(image="quick_gelu", text="quick_gelu"):
    return transformers.CLIPConfig(
        text_config=dict(hidden_size=64, intermediate_size=256, num_hidden_layers=2, num_attention_heads=1, vocab_size=49408, hidden_act=text),
        vision_config=dict(hidden_size=128, intermediate_size=512, num_hidden_layers=3, num_attention_heads=2, image_size=64, patch_size=16, hidden_act=image),
        projection_dim=48)


def tcl_state(clip):
    """A state dictionary with all names of the reference (tcl-spec section 2)."""
    generator = torch.Generator().manual_seed(5)

    def random(*shape):
        return torch.randn(shape, generator=generator) * 0.05

    source = clip.state_dict()
    layers = clip.visual.transformer.layers
    width, embed = source["visual.proj"].shape
    state = {}
    for name, value in source.items():
        if name.startswith("visual.ln_post."):
            state["clip_image_encoder.clip_proj.ln." + name.removeprefix("visual.ln_post.")] = value
        elif name == "visual.proj":
            state["clip_image_encoder.clip_proj.proj"] = value
        elif name.startswith("visual."):
            state["clip_image_encoder.clip_visual." + name.removeprefix("visual.")] = value
        elif name != "logit_scale":
            state["clip_text_encoder." + name] = value
    block = f"visual.transformer.resblocks.{layers - 1}."
    for name, value in source.items():
        if name.startswith(block):
            state[f"masker.image_encoder.backbone.transformer.resblocks.{layers - 1}." + name.removeprefix(block)] = value + random(*value.shape)
    decoder = "masker.image_encoder.decoder."
    for stage in range(2):
        for conv in ("conv", "conv2"):
            prefix = f"{decoder}decoder.net.{stage}.{conv}."
            state |= {prefix + "norm.weight": 1 + random(width), prefix + "norm.bias": random(width),
                      prefix + "conv.weight": random(width, width, 3, 3), prefix + "conv.bias": random(width), prefix + "gate.gate": random()}
    state |= {decoder + "image_proj.ln.weight": 1 + random(width), decoder + "image_proj.ln.bias": random(width), decoder + "image_proj.proj": random(width, embed),
              "masker.sim2mask.w": torch.tensor(10.0), "masker.sim2mask.b": torch.tensor(-2.5),
              "tcli_loss.logit_scale": torch.tensor(2.66), "tclf_loss.logit_scale": torch.tensor(2.65)}
    return {name: value.detach().clone() for name, value in state.items()}


def module_of(state):
    """A module with exactly these parameters, for load_state_dict(strict=True)."""
    top = torch.nn.Module()
    for name, value in state.items():
        *path, leaf = name.split(".")
        at = top
        for part in path:
            if part not in at._modules:
                at.add_module(part, torch.nn.Module())
            at = at._modules[part]
        at.register_parameter(leaf, torch.nn.Parameter(torch.zeros_like(value)))
    return top


def bits(tensor):
    return tensor.contiguous().numpy().tobytes()


def reference_round_trip(place):
    """A checkpoint as the reference's trainer saves it comes in, and goes out again bit for bit."""
    clip = small_clip(7)
    state = tcl_state(clip)
    module = module_of(state)
    module.load_state_dict(state, strict=True)
    optimizer = torch.optim.AdamW(module.parameters())
    sum(p.square().sum() for p in module.parameters()).backward()
    optimizer.step()
    config = omegaconf.OmegaConf.create({"model": {"clip_name": "ViT-B/16", "layers": [1, 2]}, "train": {"lr": 3e-4, "same": "${model.clip_name}"}})
    path = place.directory / "tcl.pth"
    torch.save({"model": state, "optimizer": optimizer.state_dict(), "lr_scheduler": {"last_epoch": 3}, "scaler": {"scale": 65536.0},
                "step": 50000, "config": config, "metrics": {"voc": 55.0}}, path)

    imported, report = place.imported(path)
    require(report["grounder"] and any("omegaconf" in name for name in report["ignored"]), f"TCL: {report['ignored']}")
    require(all(name.startswith("optimizer.") for name in report["dropped"]) and report["dropped"], f"TCL: dropped {report['dropped'][:5]}")
    plain = load_file(imported)
    require(set(plain) == set(state) and all(bits(plain[name]) == bits(state[name]) for name in state), "TCL: safetensors has other bits")

    exported, again = place.directory / "ours.pth", place.directory / "again.pth"
    for target in (exported, again):
        call(place.binary, "export", imported, "--to", target)
    require(exported.read_bytes() == again.read_bytes(), "two exports have different bytes")
    for mmap in (False, True):
        ours = torch.load(exported, weights_only=True, mmap=mmap)["model"]
        require(set(ours) == set(state) and all(bits(ours[name]) == bits(state[name]) for name in state), "TCL: .pth has other bits")
    module_of(state).load_state_dict(ours, strict=True)
    call(place.binary, "import", exported)
    print(f"  TCL: {len(state)} tensors in and out bit for bit, {len(report['dropped'])} of the optimiser dropped, not executed: {', '.join(report['ignored'][:4])}", flush=True)

    legacy = place.directory / "legacy.pth"
    torch.save(state, legacy, _use_new_zipfile_serialization=False)
    refused = call(place.binary, "import", legacy, expect=2)
    require("before 1.6" in refused.stderr, f"legacy: {refused.stderr}")


def trained_run(place):
    """A run of this program loads into the reference's names."""
    runs = place.directory / "runs"
    call(place.binary, "train", "examples/tiny.yaml", "--workers", "1", "--steps", "4", "--page", "", "--run", "interop", "--dir", runs, "--store", f"file://{place.directory}/store")
    for name in ("run.pth", "run.safetensors"):
        call(place.binary, "export", "interop", "--dir", runs, "--to", place.directory / name)
    ours, plain = torch.load(place.directory / "run.pth", weights_only=True)["model"], load_file(place.directory / "run.safetensors")
    require(set(ours) == set(plain) and all(bits(ours[name]) == bits(plain[name]) for name in ours), "a run: .pth and safetensors differ")
    require("clip_text_encoder.token_embedding.weight" in ours and ours["masker.sim2mask.w"].shape == (), "a run: names")
    module_of(ours).load_state_dict(ours, strict=True)
    print(f"  a run: {len(ours)} tensors in PyTorch", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--small", action="store_true", help="without ViT-B/16 and ViT-B/32")
    args = parser.parse_args()
    torch.manual_seed(0)
    print(f"weights: PyTorch {torch.__version__}, open_clip {open_clip.__version__}, transformers {transformers.__version__}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        place = Place(args.binary, directory)
        open_clip_formats(place, "small", small_clip(1))
        open_clip_formats(place, "small with GELU", small_clip(4, quick_gelu=False), "gelu")
        hugging_face(place, "small Hugging Face", small_hugging_face(), "6MB")
        hugging_face(place, "small Hugging Face with GELU", small_hugging_face("gelu", "gelu"), "6MB")
        hugging_face(place, "small Hugging Face, one tower with GELU", small_hugging_face(text="gelu"), "6MB")
        reference_round_trip(place)
        trained_run(place)
        if not args.small:
            for name in ("ViT-B-32", "ViT-B-16"):
                open_clip_formats(place, name, randomised(open_clip.create_model(name, force_quick_gelu=True), 2))
            open_clip_formats(place, "ViT-B-16 with GELU", randomised(open_clip.create_model("ViT-B-16"), 2), "gelu")
            hugging_face(place, "Hugging Face ViT-B-32", transformers.CLIPConfig(), "5GB")
    print("weights: all equal")


if __name__ == "__main__":
    main()
