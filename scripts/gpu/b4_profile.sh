#!/usr/bin/env bash
# List the milliseconds of each kernel in a step of gpt2-124m; at most 120 s.
set -euo pipefail
[[ ! $EMULATED ]] || { echo 'skipped: an emulated GPU measures nothing'; exit 77; }
library=$BIN/../lib/libkernel_times.so
[[ -e $library ]] || { echo 'skipped: built without CUPTI'; exit 77; }
# Steps before the first measured one are in both, so the difference has ten steady steps.
for steps in 5 15; do
  CUDA_INJECTION64_PATH=$library RIPIENO_KERNEL_TIMES=$STATE/profile.$steps.json \
    "$BIN/train_step" --workload gpt2-124m --dtype bf16 --batch 64 --device cuda --steps $steps
done
"$PYTHON" benchmarks/kernel_times.py "$STATE/profile.5.json" "$STATE/profile.15.json" --steps 10 \
  --write "$STATE/profile.json"
