#!/usr/bin/env bash
# Installs what is missing, builds (preset dev) and runs every test that this machine can run. Arguments go to
# ctest: scripts/test.sh --tests-regex Checkpoint
set -euo pipefail
cd "$(dirname "$0")/.."

echo "Building into build/dev and running all tests: about 1 GB of disk and half an hour on two cores the first time."
scripts/install_dependencies.sh
[[ -d /usr/local/cuda/bin ]] && PATH=$PATH:/usr/local/cuda/bin
cmake --preset dev >/dev/null
cmake --build --preset dev
ctest --preset dev --parallel "$(nproc)" "$@"
