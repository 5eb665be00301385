#!/usr/bin/env bash
# Emulates several hosts on one Linux machine, connected by a network. Requires root and iproute2.
#
#   hosts.sh over N[xSLOTS][@RATE] PROGRAM…   all in one: N hosts with links of RATE, one rank per slot
#   hosts.sh within COMMAND…   runs the command on an isolated machine, "head", where all commands below must be run;
#                              its hosts and all their processes end with it
#   hosts.sh up N [SLOTS]      connects hosts h1…hN (10.77.0.1…N) and head by a switch
#   hosts.sh on HOST COMMAND   like ssh: runs the command in the host's namespaces, on one core, with a minimal
#                              environment
#   hosts.sh run PROGRAM…      mpirun from head, one rank per slot; further options in MPIRUN_OPTIONS
#   hosts.sh limit HOST RATE   limits the sending rate of the host (in the syntax of tc: 1gbit, 100mbit); none: no limit
#   hosts.sh cut HOST, join HOST      disconnects the host from the network, connects it again
#   hosts.sh kill HOST, start HOST    turns the host off, turns it on again
#
# A host is a process with separate network, host name, process, mount and /dev/shm namespaces. The file system is
# that of the machine, so every folder is shared storage. Exits with 77 if the machine does not allow namespaces.
set -euo pipefail

self=$(realpath "$0")
state=/dev/shm/hosts  # only inside the namespace
network=10.77.0

pid_of() { cat "$state/$1"; }
names() { seq -f 'h%g' "$(cat "$state/count")"; }

within() {
  local what=(--mount --pid --net --uts --fork --kill-child --mount-proc)
  # Tried in advance, because the kernel may lack any of these.
  unshare "${what[@]}" sh -e -c 'mount -t tmpfs shm /dev/shm; nsenter --target $$ --net true
    ip link add type veth; ip link add type bridge; tc qdisc add dev veth0 root tbf rate 1mbit burst 32kb latency 50ms
    ' >/dev/null 2>&1 || {
    echo "hosts.sh: skipped: requires root, iproute2, and a kernel with namespaces, veth, bridge and tbf"
    exit 77
  }
  exec unshare "${what[@]}" "$self" head "$@"
}

# Process 1 of the namespace: all others are killed when it ends.
head_of_all() {
  mount -t tmpfs shm /dev/shm
  mkdir "$state"
  hostname head
  ip link set lo up
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm_rsh_agent="$self on"
  export OMPI_MCA_orte_tmpdir_base=/dev/shm OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_hwloc_base_binding_policy=none
  # Not with exec, because process 1 has no default actions for signals.
  "$@" </dev/null &
  trap 'kill $! 2>/dev/null' TERM INT
  wait $! || exit $?
}

up() {
  echo "$1" >"$state/count"
  {
    printf '127.0.0.1 localhost\n%s.254 head\n' $network
    for i in $(seq "$1"); do echo "$network.$i h$i"; done
  } >"$state/hosts"
  for name in $(names); do echo "$name slots=${2:-1}"; done >"$state/hostfile"
  mount --bind "$state/hosts" /etc/hosts
  ip link add br0 type bridge
  ip addr add $network.254/24 dev br0
  ip link set br0 up
  for name in $(names); do start "$name"; done
}

start() {
  local pid inside is_up
  exec {is_up}< <(exec unshare --net --uts --mount --pid --fork --kill-child --mount-proc bash -c '
    hostname "$1" && mount -t tmpfs shm /dev/shm && ip link set lo up && echo
    trap exit TERM
    while :; do sleep 1 & wait $!; done' bash "$1" 2>&1 </dev/null)
  read -r <&"$is_up"
  read -r pid </proc/$!/task/$!/children || [[ $pid ]]  # the file has no final newline
  echo "$pid" >"$state/$1"
  inside=(nsenter --target "$pid" --net)
  ip link add "to_$1" type veth peer name eth0 netns "$pid"
  ip link set "to_$1" master br0 up
  "${inside[@]}" ip addr add "$network.${1#h}/24" dev eth0
  "${inside[@]}" ip link set eth0 up
}

on() {
  local core=$(((${1#h} - 1) % $(nproc))) pid status=0
  pid=$(pid_of "$1")
  {
    nsenter --target "$pid" --net --uts --mount --pid -- taskset --cpu-list $core \
      env -i HOME="$HOME" PATH="$PATH" RIPIENO_SHARE_GPU=1 sh -c "${*:2}" 2>&3 || status=$?
  } 3>&2 2>/dev/null
  [[ $(pid_of "$1") == "$pid" ]] || exec sleep infinity  # ssh does not notice that its host was turned off
  exit "$status"
}

run() {
  # shellcheck disable=SC2086  # options are words
  exec mpirun --hostfile "$state/hostfile" --map-by slot --mca btl tcp,vader,self \
    --mca btl_tcp_if_include $network.0/24 --mca oob_tcp_if_include $network.0/24 \
    --mca oob_tcp_keepalive_time 3 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 3 \
    ${MPIRUN_OPTIONS:-} "$@"
}

limit() {
  local eth0=(nsenter --target "$(pid_of "$1")" --net tc qdisc)
  "${eth0[@]}" delete dev eth0 root 2>/dev/null || true
  [[ $2 == none ]] || "${eth0[@]}" replace dev eth0 root tbf rate "$2" burst 128kb latency 50ms
}

# The link is removed first, so that nothing its processes send while they die arrives.
power_off() {
  ip link delete "to_$1"
  local pid
  pid=$(pid_of "$1")
  echo off >"$state/$1"
  kill -9 "$pid"
}

over() {
  [[ $1 =~ ^([0-9]+)(x([0-9]+))?(@(.+))?$ ]] || exit 64
  up "${BASH_REMATCH[1]}" "${BASH_REMATCH[3]:-1}"
  [[ -z ${BASH_REMATCH[5]} ]] || for name in $(names); do limit "$name" "${BASH_REMATCH[5]}"; done
  run "${@:2}"
}

case ${1:-} in
  over) within "$self" over_here "${@:2}" ;;
  over_here) over "${@:2}" ;;
  within) within "${@:2}" ;;
  head) head_of_all "${@:2}" ;;
  up) up "${@:2}" ;;
  on) on "${@:2}" ;;
  run) run "${@:2}" ;;
  limit) limit "$2" "$3" ;;
  cut) ip link set "to_$2" down ;;
  join) ip link set "to_$2" up ;;
  kill) power_off "$2" ;;
  start) start "$2" ;;
  *)
    sed -n '2,/^set/{/^#/p}' "$self" >&2
    exit 64
    ;;
esac
