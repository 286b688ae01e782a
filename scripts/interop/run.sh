#!/usr/bin/env bash
# Everything that other projects wrote for us to read, and read of what we wrote. `make interop` calls this with the Python
# environment of requirements.txt; a line for each part.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.tools/interop-venv/bin/python}
"$python" -B scripts/interop/data.py bin/textground
"$python" -B scripts/interop/weights.py bin/textground
"$python" -B scripts/interop/ingest.py bin/textground
