#!/usr/bin/env bash
# The tests that take too long for every change (hours on two cores), for the night before a
# release: .ci/run --all, the tests of the release build, many kills, other faults and power cuts, and
# long fuzzing. Exits with the number of failed steps.
#
#   scripts/test_long.sh [SECONDS]     SECONDS per fuzzer, 600 by default
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
failed=0

step() {
  printf '\n== %s\n' "$1"
  "${@:2}" || { echo "== $1: failed"; failed=$((failed + 1)); }
}

release() {
  cmake --preset release >/dev/null && cmake --build --preset release &&
    scripts/run_tests.py build/release --preset release --parallel "$(nproc)"
}

crash_loop() { python3 tests/faults/crash_loop.py "$@"; }
random_faults() { python3 tests/faults/random_faults.py "$@"; }
power_cuts() { python3 tests/faults/power_cut.py --cuts 50 "$@"; }

[[ -d /usr/local/cuda/bin ]] && PATH=$PATH:/usr/local/cuda/bin
export RIPIENO_BIN=$PWD/build/release/bin RIPIENO_MPIRUN=$PWD/tests/distributed/under_mpi.sh PYTHONDONTWRITEBYTECODE=1
scripts/install_dependencies.sh git clang libclang-rt-dev debootstrap e2fsprogs xfsprogs || exit
step 'the checks of every change, and the sanitizers' env CI_MINUTES=1000 .ci/run --all
step 'the release build, on each CPU level' release
step 'the steps of the Dockerfile, in a bare Debian' python3 tests/deploy/dockerfile_test.py \
  --build build/release --cmake cmake --scratch build/release
step 'kills, on 1 rank' crash_loop --kills 200 --ranks 1
step 'kills, on 1 to 4 ranks' crash_loop --kills 100 --ranks 1-4
step 'kills, in strict mode' crash_loop --kills 50 --ranks 1-4 --strict
step 'kills, with sharded gradients' crash_loop --kills 50 --ranks 3 --shard gradients
step 'random faults under ripieno launch' random_faults --faults 100 --steps 5000
step 'power cuts, ext4' power_cuts --file-system ext4
step 'power cuts, xfs' power_cuts --file-system xfs
step 'power cuts, without rename' power_cuts --commit manifest
step "fuzzing, $seconds s each" scripts/fuzz.sh "$seconds"
exit $failed
