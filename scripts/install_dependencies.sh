#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that are required to build, test and run, if any are
# missing. Never prompts. Requires root, or sudo without a password; otherwise it prints the command
# to run. Never installs the CUDA toolkit, NCCL or cuDNN, which are optional.
#
#   scripts/install_dependencies.sh [MORE PACKAGES]
set -euo pipefail

packages=(
  ca-certificates cmake g++ ninja-build python3
  libopenmpi-dev openmpi-bin                       # communication between ranks
  pkg-config                                       # test of the install without CMake
  dpkg-dev                                         # dependencies of the packages that cpack makes
  iproute2                                         # network namespaces as hosts in tests
  libhdf5-dev hdf5-tools python3-h5py              # checkpoints, and tests that read them with other programs
  libdnnl-dev libeigen3-dev                        # linear algebra
  libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libfmt-dev libxxhash-dev
  libzstd-dev zlib1g-dev                           # compressed texts
  libgtest-dev libgmock-dev
  bible-kjv                                        # 4.4 MB of public-domain text to train on
  "$@")

fail() {
  echo "install_dependencies.sh: $*" >&2
  exit 78
}

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
  fail "apt-get not found; install the equivalents of: ${packages[*]}"

installed=$(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
mapfile -t missing < <(printf '%s\n' "${packages[@]}" | grep --line-regexp --invert-match --fixed-strings "$installed" || true)
((${#missing[@]})) || exit 0

root=()
if ((EUID != 0)); then
  if command -v sudo >/dev/null && sudo --non-interactive true 2>/dev/null; then
    root=(sudo)
  else
    echo "Missing packages: ${missing[*]}" >&2
    echo "Install them as root, then run this script again:" >&2
    echo "  apt-get update && apt-get install --yes --no-install-recommends ${missing[*]}" >&2
    exit 78
  fi
fi

echo "Installing ${#missing[@]} missing packages: ${missing[*]}"
echo "This takes up to 1.3 GB of disk and two minutes."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
as_root() {
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" </dev/null >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    fail "'$*' failed; see above."
  }
}
as_root apt-get -o DPkg::Lock::Timeout=300 update
as_root apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "${missing[@]}"
echo "Installed."
