#!/usr/bin/env bash
# Installs what building, testing and running need, from Debian's or Ubuntu's packages. Asks
# nothing, leaves alone what is there, and is done at once where nothing is missing. As root, or
# with a sudo that needs no password; otherwise it prints the command to run. The CUDA toolkit, NCCL
# and cuDNN are used where they are, and never installed.
#
#   scripts/install_dependencies.sh [further packages]
set -euo pipefail

packages=(
  ca-certificates cmake g++ ninja-build python3
  libopenmpi-dev openmpi-bin                       # ranks
  pkg-config                                       # the package, tried without CMake
  iproute2                                         # hosts for tests, as namespaces
  libhdf5-dev hdf5-tools python3-h5py              # checkpoints, and other programs that read them
  libdnnl-dev libeigen3-dev                        # arithmetic
  libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libfmt-dev libxxhash-dev
  libgtest-dev libgmock-dev
  bible-kjv                                        # 4.4 MB of public-domain text to train on
  "$@")

fail() {
  echo "install_dependencies.sh: $*" >&2
  exit 78
}

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
  fail "this system has no apt-get; install the equivalents of: ${packages[*]}"

installed=$(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
mapfile -t missing < <(printf '%s\n' "${packages[@]}" | grep --line-regexp --invert-match --fixed-strings "$installed" || true)
((${#missing[@]})) || exit 0

root=()
if ((EUID != 0)); then
  if command -v sudo >/dev/null && sudo --non-interactive true 2>/dev/null; then
    root=(sudo)
  else
    echo "These packages are missing: ${missing[*]}" >&2
    echo "Install them as root, then run this again:" >&2
    echo "  apt-get update && apt-get install --yes --no-install-recommends ${missing[*]}" >&2
    exit 78
  fi
fi

echo "Installing ${#missing[@]} packages that are missing: ${missing[*]}"
echo "On a bare system this takes about 1.3 GB of disk and two minutes."
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
