#!/bin/sh
# under_mpi.sh RANKS COMMAND...: runs the command under mpirun, with any number of ranks on any
# number of cores, and removes temporary files even if ranks were killed. Exits with the status of
# mpirun.
set -u
ranks=$1
shift
base=$(mktemp -d "$(test -d /dev/shm && echo /dev/shm || echo /tmp)/ripieno.$$.XXXXXX") || exit 74
# Tries twice, since ranks that are exiting may still create files.
trap 'rm -rf "$base" 2>/dev/null || { sleep 1; rm -rf "$base"; }' EXIT
trap 'kill "$job"; wait "$job"; exit 143' INT TERM
export RIPIENO_SHARE_GPU=1  # there may be fewer GPUs than ranks
mpirun -n "$ranks" --allow-run-as-root --oversubscribe --quiet --mca mpi_yield_when_idle 1 \
  --mca orte_tmpdir_base "$base" --mca btl_vader_backing_directory "$base" "$@" </dev/null &
job=$!
wait "$job"
