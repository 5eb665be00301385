#!/usr/bin/env bash
# Rehearses the bundle on a GPU node without a GPU: in a mount namespace that has none of the
# packages of the bundle, no git, no network and no driver, NVIDIA's libraries only as Python
# wheels, and an nvidia-smi that names a GPU. Everything up to the first call of the device must
# work.
#
#   rehearsal.sh BUILD [--full]     BUILD: a build with CUDA for one architecture
#
# --full compiles all programs of the bundle there, instead of one source of each kind.
set -euo pipefail
cd "$(dirname "$0")/../.."
[[ ${1-} && -f $1/CMakeCache.txt ]] ||
  { echo "usage: rehearsal.sh BUILD [--full]" >&2; exit 64; }
grep --quiet '^CMAKE_CUDA_ARCHITECTURES:' "$1/CMakeCache.txt" && [[ -d /usr/local/cuda/lib64/ ]] ||
  { echo 'skipped: requires a build with CUDA and its toolkit in /usr/local/cuda'; exit 0; }
unshare --mount --net true 2>/dev/null ||
  { echo 'skipped: this machine does not allow mount namespaces'; exit 0; }

work=$(mktemp --directory)
trap 'rm -rf "$work"' EXIT
scripts/make_bundle.sh --programs "$1" "$work/bundle.tar"
tar -C "$work" -xf "$work/bundle.tar" && rm "$work/bundle.tar"
status=0
unshare --mount --net bash tests/gpu_check/bare_node.sh "$work" "${2-}" || status=$?
((status != 77)) || exit 0
exit $status
