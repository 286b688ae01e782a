#!/usr/bin/env bash
# Every fuzz target for a minute, or for $FUZZ_TIME each. Seeds are in the code and in testdata/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."
grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do
	for target in $(grep -o '^func Fuzz[A-Za-z0-9]*' "$file" | cut -d' ' -f2); do
		echo "== $(dirname "$file") $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZ_TIME:-60s}" -fuzzminimizetime 50x "$(dirname "$file")"
	done
done
