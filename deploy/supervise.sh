#!/usr/bin/env bash
# Restarts a run until it has finished, on hosts without a scheduler that would do it.
#
#   deploy/supervise.sh RUN_DIRECTORY COMMAND...     COMMAND: the mpirun that trains there
#
# Restarts after lost ranks or hosts and after storage failures, waiting PAUSE_SECONDS (10) in
# between. Stops at what a restart cannot fix: bad usage (64), damaged data (65), an internal error
# (70), ranks whose numbers differ (72), bad configuration (78), or MOST_IN_VAIN (10) launches in a
# row without progress. SIGUSR1, SIGTERM or SIGINT saves the run and stops, with status 75.
#
# Kills a run that logs nothing for STALL_SECONDS (1800), because an mpirun whose own host lost its
# network never ends.
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
      echo "supervise.sh: no progress logged for $stall_seconds s; killing the run" >&2
      kill -KILL -- "-$training"
    fi
  done
  wait "$training"
}

asked=0 in_vain=0
trap 'asked=1; kill -USR1 "$training" 2>/dev/null' USR1 TERM INT
set -m # puts the run into its own process group, which can be killed as a whole
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
  echo "supervise.sh: the run exited with $status; restarting it" >&2
  sleep "$pause_seconds"
done
