#!/usr/bin/env bash
# Measure steps of gpt2-124m, then again with the algorithms of the first; at most 180 s.
set -euo pipefail
workload=(--workload gpt2-124m --dtype bf16 --batch 64 --steps 20)
[[ ! $EMULATED ]] || workload=(--workload mlp --steps 2)
for _ in 1 2; do "$BIN/train_step" "${workload[@]}" --device cuda; done | tee "$STATE/steps.json"
