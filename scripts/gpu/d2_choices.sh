#!/usr/bin/env bash
# Measure steps without fused products, measured algorithms, or cuDNN; at most 480 s.
set -euo pipefail
[[ ! $EMULATED ]] || { echo 'skipped: an emulated GPU measures nothing'; exit 77; }
# Each in turn, so that changes of the machine's speed affect all of them.
for _ in 1 2 3; do
  for choice in NOTHING MATMUL_EPILOGUES MATMUL_MEASURE USE_CUDNN; do
    env "RIPIENO_$choice=0" "$BIN/train_step" --workload gpt2-124m --dtype bf16 --batch 64 \
      --device cuda --steps 10 | sed "s/^{/{\"without\":\"$choice\",/"
  done
done | tee "$STATE/choices.json"
