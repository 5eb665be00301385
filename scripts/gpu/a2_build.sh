#!/usr/bin/env bash
# Use the programs of the bundle if they match these sources and this GPU, else build; at most 3000 s.
set -euo pipefail
if [[ $BIN == */packages/programs/bin ]]; then
  missing=$(ldd "$BIN"/* | sed -n 's/^\t\(.*\) => not found/\1/p' | sort -u)
  [[ ! $missing ]] || { echo "build: the programs of the bundle require" $missing 'which this machine lacks' >&2; exit 78; }
  echo "using $BIN"
  exit
fi
[[ -d packages ]] || scripts/install_dependencies.sh
if [[ $EMULATED ]]; then
  cmake --preset dev -B build/emulated -DRIPIENO_CUDA=EMULATED
else
  command -v nvcc >/dev/null || { echo 'build: nvcc not found on the PATH or in /usr/local/cuda/bin; install the CUDA toolkit' >&2; exit 78; }
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader --id=0 | tr -d .)
  cmake --preset gpu -DCMAKE_CUDA_ARCHITECTURES="$capability-real" -DRIPIENO_CPU_LEVELS=machine
fi
cmake --build "build/$PRESET" --parallel "$(nproc)" --target ${TARGETS:-all}
