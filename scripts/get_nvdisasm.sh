#!/usr/bin/env bash
# Installs NVIDIA's disassembler in build/nvdisasm from its Python wheel, if no toolkit has it, so
# that tests check the machine code of kernels. Without it they check the PTX.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/local/cuda/bin
command -v nvcc >/dev/null || { echo 'get_nvdisasm.sh: no CUDA toolkit, so no kernels'; exit 0; }
! command -v nvdisasm >/dev/null && [[ ! -x build/nvdisasm/nvdisasm ]] || exit 0
folder=$(mktemp --directory)
trap 'rm -rf "$folder"' EXIT
python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$folder" nvidia-cuda-nvdisasm
python3 -m zipfile --extract "$folder"/*.whl "$folder"
mkdir -p build/nvdisasm
install "$(find "$folder" -name nvdisasm -type f)" build/nvdisasm/nvdisasm
build/nvdisasm/nvdisasm --version | tail -n 1
