#!/usr/bin/env bash
# Run all tests of kernels on the GPU in one process; at most 300 s.
RIPIENO_REQUIRE_GPU=1 exec "$BIN/$KERNEL_TESTS" --gtest_brief=1
