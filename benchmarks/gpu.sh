#!/bin/sh
# Everything that is measured on an NVIDIA GPU, unattended, from a checkout:
#   sh benchmarks/gpu.sh [OUT.json] [options of gpu.py]
# Needs a Python with the package and PyTorch for CUDA; set PYTHON to choose one. The exit code is that of gpu.py.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-"$here/benchmarks/gpu.json"}
[ $# -gt 0 ] && shift
case "$out" in /*) ;; *) out="$PWD/$out" ;; esac
cd "$here" || exit 2
python=${PYTHON:-python3}
export PYTHONUNBUFFERED=1 PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,power.limit --format=csv
"$python" benchmarks/gpu.py --out "$out" "$@" 2>&1 | tee "${out%.json}.log"
# The exit code of a pipe is that of tee; what failed is in the file.
"$python" - "$out" <<'END'
import json, sys
try:
    parts = json.load(open(sys.argv[1]))["parts"]
except (OSError, ValueError):
    sys.exit("nothing was measured")
sys.exit(any("failed" in part or part.get("left_out") for part in parts.values()))
END
