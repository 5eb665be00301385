#!/usr/bin/env bash
# Several hosts on one Linux machine, so that what runs on them crosses a network. Needs root and iproute2.
#
#   hosts.sh over N[xSLOTS][@RATE] PROGRAM…   does it all: N hosts, links of RATE, one rank a slot
#   hosts.sh within COMMAND…   runs the command on a machine of its own, "head", where all that follows happens;
#                              its hosts and whatever they run end with it, however it ends
#   hosts.sh up N [SLOTS]      plugs hosts h1…hN, 10.77.0.1…N, into a switch that head is plugged into too
#   hosts.sh on HOST COMMAND   as ssh does: in the host's namespaces, on a core of its own, with a bare environment
#   hosts.sh run PROGRAM…      mpirun from head, one rank a slot; further options in MPIRUN_OPTIONS
#   hosts.sh limit HOST RATE   the host sends at most RATE (of tc: 1gbit, 100mbit); none: no limit
#   hosts.sh cut HOST, join HOST      pulls its cable, and plugs it in again
#   hosts.sh kill HOST, start HOST    takes its power, and gives it again
#
# A host is a process with a network, a name, processes, mounts and a /dev/shm of its own; the file system is that
# of the machine, so every folder is shared storage. Ends with 77 where the machine does not allow it.
set -euo pipefail

self=$(realpath "$0")
state=/dev/shm/hosts  # of the namespace alone
network=10.77.0

pid_of() { cat "$state/$1"; }
names() { seq -f 'h%g' "$(cat "$state/count")"; }

within() {
  local what=(--mount --pid --net --uts --fork --kill-child --mount-proc)
  # By doing it: a kernel may lack any of these.
  unshare "${what[@]}" sh -e -c 'mount -t tmpfs shm /dev/shm; nsenter --target $$ --net true
    ip link add type veth; ip link add type bridge; tc qdisc add dev veth0 root tbf rate 1mbit burst 32kb latency 50ms
    ' >/dev/null 2>&1 || {
    echo "hosts.sh: skipped: hosts need root, iproute2, and a kernel with namespaces, veth, bridge and tbf"
    exit 77
  }
  exec unshare "${what[@]}" "$self" head "$@"
}

# Process 1 of the namespace: its end is the end of everything.
head_of_all() {
  mount -t tmpfs shm /dev/shm
  mkdir "$state"
  hostname head
  ip link set lo up
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm_rsh_agent="$self on"
  export OMPI_MCA_orte_tmpdir_base=/dev/shm OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_hwloc_base_binding_policy=none
  # Not by exec: process 1 has no default actions for signals.
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
  read -r pid </proc/$!/task/$!/children || [[ $pid ]]  # there is no end of line
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
  [[ $(pid_of "$1") == "$pid" ]] || exec sleep infinity  # nobody tells ssh that its host has lost its power
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

# Nothing that its processes say while they die is heard any more.
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
