#!/usr/bin/env bash
# Compare the kernels' results on the GPU with those of the emulator; at most 600 s.
set -euo pipefail
tests=(--gtest_brief=1 --gtest_filter='*/Forward:*/Gpu')
rm -f "$STATE"/outputs.*
RIPIENO_KERNEL_OUTPUTS=$STATE/outputs.emulated "$BIN/kernels_emulated_tests" "${tests[@]}"
RIPIENO_KERNEL_OUTPUTS=$STATE/outputs.real "$BIN/$KERNEL_TESTS" "${tests[@]}"
"$PYTHON" tests/kernels/cuda/compare_outputs.py "$STATE/outputs.emulated" "$STATE/outputs.real"
rm "$STATE"/outputs.* # too large to take home
