#!/usr/bin/env bash
# Measure steps of gpt2-1558m, after PyTorch's if it is installed; at most 600 s.
set -euo pipefail
[[ ! $EMULATED ]] || { echo 'skipped: an emulated GPU measures nothing'; exit 77; }
if "$PYTHON" -c 'import torch' 2>/dev/null; then
  "$PYTHON" benchmarks/compare_with_peer.py gpt2-1558m --dtype bf16 --batch 16 --compile \
    --repeats 3 --steps 5 --alone --device cuda --bin "$BIN" --python "$PYTHON"
else
  "$BIN/train_step" --workload gpt2-1558m --dtype bf16 --batch 16 --device cuda --steps 5
fi | tee "$STATE/large.json"
