#!/usr/bin/env bash
# Starts a run again until it has finished: on hosts of your own, where no scheduler does it.
#
#   deploy/supervise.sh RUN_DIRECTORY COMMAND…     the command is the mpirun that trains in that directory
#
# Lost ranks and hosts, and storage that fails for a while, are waited out; what starting again cannot mend ends it:
# bad usage (64), damaged data (65), a fault of the program's (70) or a host's (72), bad configuration (78), or
# several starts in a row that got no further. USR1, TERM or INT saves the run and ends it, with 75.
#
# A run that logs nothing for STALL_SECONDS (1800) is killed: a mpirun whose own host lost its network never ends.
set -uo pipefail

metrics=$1/metrics.jsonl
stall_seconds=${STALL_SECONDS:-1800} pause_seconds=${PAUSE_SECONDS:-10} most_in_vain=${MOST_IN_VAIN:-10}
shift

steps() { wc -l <"$metrics" 2>/dev/null || echo 0; }
is_running() { kill -0 "$training" 2>/dev/null; }

watch_until_end() {
  local last moved=$SECONDS
  last=$(steps)
  while is_running; do
    sleep 1 &
    wait -n "$training" $! 2>/dev/null
    [[ $(steps) == "$last" ]] || last=$(steps) moved=$SECONDS
    if ((SECONDS - moved > stall_seconds)); then
      echo "supervise.sh: nothing logged for $stall_seconds s; killing the run" >&2
      kill -KILL -- "-$training"
    fi
  done
  wait "$training"
}

asked=0 in_vain=0
trap 'asked=1; kill -USR1 "$training" 2>/dev/null' USR1 TERM INT
set -m # the run is a process group, so that all of it can be killed
while :; do
  before=$(steps)
  "$@" &
  training=$!
  watch_until_end
  status=$?
  case $status in 0 | 64 | 65 | 70 | 72 | 78) exit $status ;; esac
  ((asked)) && exit $status
  [[ $(steps) == "$before" ]] && ((++in_vain)) || in_vain=0
  ((in_vain >= most_in_vain)) && exit $status
  echo "supervise.sh: the run ended with $status; starting it again" >&2
  sleep "$pause_seconds"
done
