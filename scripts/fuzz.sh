#!/usr/bin/env bash
# Every fuzz target for a minute, or for $FUZZ_TIME each. Seeds are in the code and in testdata/fuzz. All targets have their turn; the
# last line names those that failed.
set -euo pipefail
cd "$(dirname "$0")/.."
said=$(mktemp)
trap 'rm -f "$said"' EXIT

# sound runs a target. Go 1.26 may call the end of its time a failure, with these words and no input (golang/go#75804).
sound() {
	go test -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZ_TIME:-60s}" -fuzzminimizetime 50x "$1" 2>&1 | tee "$said" && return
	grep -q '^ *context deadline exceeded$' "$said" && ! grep -q 'Failing input' "$said"
}

failed=()
for file in $(grep -rl --include='*_test.go' '^func Fuzz' .); do
	for target in $(grep -o '^func Fuzz[A-Za-z0-9]*' "$file" | cut -d' ' -f2); do
		echo "== $(dirname "$file") $target"
		sound "$(dirname "$file")" "$target" || failed+=("$(dirname "$file") $target")
	done
done
[ ${#failed[@]} -eq 0 ] || { printf 'failed: %s\n' "${failed[@]}"; exit 1; }
echo "no target failed"
