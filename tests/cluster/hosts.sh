#!/usr/bin/env bash
# Emulates several hosts on one Linux machine, connected by a network. Requires root and iproute2.
#
#   hosts.sh over N[xSLOTS][@RATE] PROGRAM...
#                                  everything at once: runs PROGRAM on N hosts with links of RATE,
#                                  one rank per slot
#   hosts.sh within COMMAND...     runs COMMAND on a separate host, "head", on which the commands
#                                  below work; when it ends, all hosts and their processes end
#   hosts.sh up N [SLOTS]          starts hosts h1 to hN, 10.77.0.1 to N, connected by a switch to
#                                  each other and to head
#   hosts.sh on HOST COMMAND       runs COMMAND as ssh would: in the host's namespaces, on one core,
#                                  with a minimal environment
#   hosts.sh run PROGRAM...        mpirun from head, one rank per slot; more options: MPIRUN_OPTIONS
#   hosts.sh limit HOST RATE       limits what the host sends; RATE as for tc (100mbit), or none
#   hosts.sh cut|join HOST         disconnects or reconnects its network cable
#   hosts.sh kill|start HOST       cuts or restores its power
#
# A host is a process with its own network, host name, process ids, mounts and /dev/shm. The file
# system is that of the machine, so every folder is shared storage. Exits with 77 if the machine
# does not allow namespaces.
set -euo pipefail

self=$(realpath "$0")
state=/dev/shm/hosts  # only in the namespace
network=10.77.0

pid_of() { cat "$state/$1"; }
names() { seq -f 'h%g' "$(cat "$state/count")"; }

within() {
  local what=(--mount --pid --net --uts --fork --kill-child --mount-proc)
  # Tries it, because a kernel may lack any of these features.
  unshare "${what[@]}" sh -e -c 'mount -t tmpfs shm /dev/shm; nsenter --target $$ --net true
    ip link add type veth; ip link add type bridge; tc qdisc add dev veth0 root tbf rate 1mbit burst 32kb latency 50ms
    ' >/dev/null 2>&1 || {
    echo "hosts.sh: skipped: requires root, iproute2, and a kernel with namespaces, veth, bridge and tbf"
    exit 77
  }
  exec unshare "${what[@]}" "$self" head "$@"
}

# Process 1 of the namespace: when it ends, everything in the namespace ends.
head_of_all() {
  mount -t tmpfs shm /dev/shm
  mkdir "$state"
  hostname head
  ip link set lo up
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_plm_rsh_agent="$self on"
  export OMPI_MCA_orte_tmpdir_base=/dev/shm OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_hwloc_base_binding_policy=none
  # Without exec, because process 1 has no default actions for signals.
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
  read -r pid </proc/$!/task/$!/children || [[ $pid ]]  # the file does not end with a newline
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
  [[ $(pid_of "$1") == "$pid" ]] || exec sleep infinity  # after a power loss ssh would not get an answer
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

# Disconnects the host first, so that nothing its dying processes send arrives.
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
