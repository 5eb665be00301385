#!/usr/bin/env bash
# Run the other tests of the GPU, and of cuBLASLt's and cuDNN's descriptors; at most 300 s.
set -uo pipefail
export RIPIENO_REQUIRE_GPU=1
failed=0
"$BIN/core_tests" --gtest_brief=1 --gtest_filter='Gpu*:DeviceFaults*' || failed=1
"$BIN/training_tests" --gtest_brief=1 --gtest_filter='GpuRunTest*:*OnAGpu*' || failed=1
for tests in cublas_lt_test cudnn_test; do
  [[ ! -e $BIN/$tests ]] || "$BIN/$tests" --gtest_brief=1 || failed=1
done
exit $failed
