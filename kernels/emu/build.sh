#!/usr/bin/env bash
# build.sh OUT.so [asan|races] [FILE.cu ...]: compiles the kernels (all of kernels/cuda, or the files named) together with the
# emulated driver into one shared library, which TEXTGROUND_CUDA_DRIVER then names. Objects are kept in build/emu at the
# root of the repository, one a file, and made again where a source or a header of theirs has changed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$1
shift
objects=${TG_EMU_BUILD:-$root/build/emu}
check=
if [ "${1:-}" = asan ] || [ "${1:-}" = races ]; then
  check=$1
  objects=$objects-$check
  shift
fi
files=()
for file in "${@:-$root/kernels/cuda/*.cu}"; do
  for match in $file; do files+=("$(realpath "$match")"); done
done
mkdir -p "$objects" "$(dirname "$out")"
# Several test programs may want the library at once: the first one builds it.
exec 9>"$objects/lock"
flock 9
make --no-print-directory -s -j "${TG_EMU_JOBS:-2}" -f "$here/emu.mk" EMU="$here" CUDA="$root/kernels/cuda" \
  OBJECTS="$objects" CHECK=$check OUT="$(realpath -m "$out")" CU="${files[*]}"
