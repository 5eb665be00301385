#!/usr/bin/env bash
# Installs missing packages, builds the preset dev and runs every test that this machine can run.
#
#   scripts/test.sh [ARGUMENTS OF CTEST]     example: scripts/test.sh --tests-regex Checkpoint
#
# RIPIENO_CPU_LEVELS='v2;v3;v4' in the environment builds and tests the CPU kernels of each level.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "Building in build/dev (about 1 GB of disk) and running all tests."
scripts/install_dependencies.sh
[[ -d /usr/local/cuda/bin ]] && PATH=$PATH:/usr/local/cuda/bin
cmake --preset dev ${RIPIENO_CPU_LEVELS:+"-DRIPIENO_CPU_LEVELS=$RIPIENO_CPU_LEVELS"} >/dev/null
cmake --build --preset dev
scripts/run_tests.py build/dev --preset dev --parallel "$(nproc)" "$@"
