#!/usr/bin/env bash
# Run some kernels, fused products, cuDNN at 1024 tokens and bf16 steps; at most 180 s.
set -euo pipefail
export RIPIENO_REQUIRE_GPU=1
"$BIN/$KERNEL_TESTS" --gtest_brief=1 \
  --gtest_filter='*Elementwise*:*Matmul*:*FusedProducts*:*Casts*:*Runtime*'
"$BIN/train_step" --workload mlp-64 --device cuda --steps 2
[[ ! $EMULATED ]] || exit 0
"$BIN/train_step" --workload gpt-char --device cuda --dtype bf16 --steps 2
"$BIN/kernels" --device cuda --only attention --repeats 1 --milliseconds 1
