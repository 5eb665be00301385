#!/usr/bin/env bash
# List hardware, software and libraries; at most 60 s.
set -euo pipefail
if [[ $EMULATED ]]; then
  echo '{"gpu": "emulated"}' >"$STATE/probe.json"
  exit
fi
fail() { echo "probe: $*" >&2; exit 78; }
command -v nvidia-smi >/dev/null ||
  fail 'nvidia-smi not found, so there is no NVIDIA driver; use --emulated without a GPU'
query=name,compute_cap,driver_version,memory.total
nvidia-smi --query-gpu="$query,memory.used,clocks.sm,clocks.mem" --format=csv
nvidia-smi --query-gpu="$query" --format=csv,noheader --id=0 | "$PYTHON" -c '
import json, sys
names = ["gpu", "compute_capability", "driver", "memory"]
print(json.dumps(dict(zip(names, sys.stdin.read().strip().split(", ")))))' >"$STATE/probe.json"
for tool in nvcc cmake ninja g++ ncu compute-sanitizer cuobjdump mpirun; do
  echo "$tool: $(command -v "$tool" || echo none)"
done
"$PYTHON" -c 'import torch; print("PyTorch", torch.__version__)' 2>/dev/null ||
  echo 'PyTorch: none; skipping comparisons with it'
echo "programs: $BIN"
for library in libcublasLt.so.13 libcudnn.so.9 libnccl.so.2 libnvrtc.so.13 libcupti.so.13; do
  file=$("$PYTHON" -c '
import ctypes, sys
ctypes.CDLL(sys.argv[1])
name = sys.argv[1].split(".")[0]
print(next(line.split()[-1] for line in open("/proc/self/maps") if name in line))' \
    "$library" 2>/dev/null) || file=none
  echo "$library: $file"
done
