#!/usr/bin/env bash
# Tops up the committed corpus, testdata/fuzz of each package, from what `make fuzz` found on this machine: up to 16 inputs of
# at most 2 KB for each target. `go test` tries all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
found=$(go env GOCACHE)/fuzz/$(go list -m)
(cd "$found" && find . -type d -name 'Fuzz*') | sort | while read -r target; do
	grep -qs "^func $(basename "$target")(" "$(dirname "$target")"/*_test.go || continue # renamed or gone
	corpus=$(dirname "$target")/testdata/fuzz/$(basename "$target")
	mkdir -p "$corpus"
	for input in $(find "$found/$target" -type f -size -5 -printf '%f\n' | sort); do
		[ "$(find "$corpus" -type f | wc -l)" -lt 16 ] || break
		[ -e "$corpus/$input" ] || cp "$found/$target/$input" "$corpus/"
	done
	rmdir --ignore-fail-on-non-empty "$corpus"
done
