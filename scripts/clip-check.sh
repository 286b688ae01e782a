#!/usr/bin/env bash
# Trains the demo's CLIP again for 50 steps and compares the parameters' digest with the one in the committed weights.
# Bits are equal on equal instruction sets only: elsewhere it says so and ends well.
set -euo pipefail
cd "$(dirname "$0")/.."
weights=examples/world-clip.safetensors
recipe=examples/world-clip.yaml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# said KEY: a value of the weights' metadata, which begins the file's header.
said() { head -c 65536 "$weights" | grep -ao "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }
# got KEY: a value of the training's result.
got() { grep -o "\"$1\":\"[^\"]*\"" "$work/result" | cut -d '"' -f 4; }

bin/textground clip train "$recipe" --steps 50 --out "$work/clip.safetensors" --store "file://$work/store" --json >"$work/result"

if [ "$(got recipe_sha256)" != "$(said recipe_sha256)" ]; then
	echo "clip-check: $recipe is another recipe than that of $weights: train it again, or restore the recipe" >&2
	exit 1
fi
if [ "$(got device_class)" != "$(said device_class)" ]; then
	echo "clip-check: nothing to compare: $weights was trained on $(said device_class), this machine is $(got device_class)"
	exit 0
fi
if [ "$(got params_sha256_step_50)" != "$(said params_sha256_step_50)" ]; then
	echo "clip-check: after 50 steps the parameters are $(got params_sha256_step_50), but $weights says $(said params_sha256_step_50)" >&2
	exit 1
fi
echo "clip-check: equal after 50 steps: $(got params_sha256_step_50) on $(got device_class)"
