#!/usr/bin/env bash
# Measure steps with each choice switched off: fused products, measured algorithms, cuDNN; at most 480 s.
set -euo pipefail
[[ ! $EMULATED ]] || { echo 'skipped: an emulated GPU measures nothing'; exit 77; }
# Each in turn, so that changes of the machine's speed affect all of them.
for _ in 1 2 3; do
  for choice in RIPIENO_NONE=0 RIPIENO_MATMUL_EPILOGUES=0 RIPIENO_MATMUL_MEASURE=0 RIPIENO_USE_CUDNN=0; do
    env "$choice" "$BIN/train_step" --workload gpt2-124m --dtype bf16 --batch 64 --device cuda --steps 10 |
      sed "s/^{/{\"without\":\"${choice%=0}\",/; s/RIPIENO_NONE//"
  done
done | tee "$STATE/choices.json"
