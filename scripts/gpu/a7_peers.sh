#!/usr/bin/env bash
# Measure steps alternately with compiled PyTorch, and llm.c if LLM_C is set; at most 480 s.
set -euo pipefail
[[ ! $EMULATED ]] || { echo 'skipped: an emulated GPU measures nothing'; exit 77; }
"$PYTHON" -c 'import torch' 2>/dev/null || { echo "skipped: $PYTHON has no PyTorch"; exit 77; }
compare() {
  "$PYTHON" benchmarks/compare_with_peer.py "$@" --device cuda --bin "$BIN" --python "$PYTHON"
}
{
  compare gpt2-124m --dtype bf16 --batch 64 --compile --repeats 5 --steps 10
  compare gpt-10m --dtype f32 --repeats 5 --steps 30
  [[ ! ${LLM_C-} ]] || "$PYTHON" benchmarks/peers/llm_c.py "$LLM_C" --batch 64 --steps 30
} | tee "$STATE/peers.json"
