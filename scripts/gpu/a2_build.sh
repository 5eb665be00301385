#!/usr/bin/env bash
# Use the bundle's programs if they match the sources and the GPU, else build; at most 3000 s.
set -euo pipefail
if [[ $BIN == */packages/programs/bin ]]; then
  missing=$(ldd "$BIN"/* | sed -n 's/^\t\(.*\) => not found/\1/p' | sort -u)
  [[ ! $missing ]] ||
    { echo "build: the bundle's programs require" $missing', not found here' >&2; exit 78; }
  echo "using $BIN"
  exit
fi
[[ -d packages ]] || scripts/install_dependencies.sh
if [[ $EMULATED ]]; then
  cmake --preset dev -B build/emulated -DRIPIENO_CUDA=EMULATED
else
  command -v nvcc >/dev/null ||
    { echo 'build: nvcc not found on the PATH or in /usr/local/cuda/bin' >&2; exit 78; }
  capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader --id=0 | tr -d .)
  cmake --preset gpu -DCMAKE_CUDA_ARCHITECTURES="$capability-real" -DRIPIENO_CPU_LEVELS=machine
fi
cmake --build "build/$PRESET" --parallel "$(nproc)" --target ${TARGETS:-all}
