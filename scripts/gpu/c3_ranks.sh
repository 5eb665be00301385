#!/usr/bin/env bash
# Train with two ranks on one GPU, over NCCL; at most 300 s.
set -euo pipefail
[[ ! $EMULATED ]] || { echo 'skipped: NCCL is not emulated'; exit 77; }
RIPIENO_REQUIRE_GPU=1 RIPIENO_BIN=$BIN RIPIENO_MPIRUN=$PWD/tests/distributed/under_mpi.sh \
  "$PYTHON" tests/training/shared_gpu_test.py --verbose
