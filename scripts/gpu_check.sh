#!/usr/bin/env bash
# Tests and measures on a machine with an NVIDIA GPU, the most important stages first. Runs in a
# checkout or an unpacked bundle (make_bundle.sh). A stage that passed is skipped until a source
# changes; the build is always brought up to date. Failures of probe, build and smoke end the run.
#
#   scripts/gpu_check.sh                 all stages: the files in scripts/gpu/, in their order
#   scripts/gpu_check.sh a sanitizer     only phase a and the stage sanitizer, after build and smoke
#   scripts/gpu_check.sh --list          lists the stages and their state
#   scripts/gpu_check.sh --again ...     repeats stages that passed
#   scripts/gpu_check.sh --emulated ...  a smaller rehearsal on an emulated GPU; measures nothing
#
# Logs, measurements, algorithms and plans are in build/gpu_check/, and packed in one file there
# (take_home.tar.gz).
#
# Environment:
#   TEXT=file       text to train on; default: the King James Bible
#   PYTHON=python3  Python interpreter; with PyTorch installed, training speed is compared with it
#   LLM_C=folder    llm.c with train_gpt2cu built, to compare with as well
set -uo pipefail
cd "$(dirname "$0")/.."
say() { echo "gpu_check.sh: $*" >&2; }
stage_of() { basename "${1#*_}" .sh; }
# The first comment of a stage: "What it does; at most N s."
about() { sed -n '2s/^# //p' "$1"; }

files=(scripts/gpu/[a-z][0-9]_*.sh) names=()
for file in "${files[@]}"; do names+=("${file:12:1}" "$(stage_of "$file")"); done
EMULATED='' again='' list='' wanted=' '
for argument; do
  case $argument in
    --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit ;;
    --list) list=yes ;;
    --again) again=yes ;;
    --emulated) EMULATED=yes ;;
    *) [[ " ${names[*]} " == *" $argument "* ]] ||
         { say "unknown stage or option $argument; see --list and --help"; exit 64; }
       wanted+="$argument " ;;
  esac
done
sources=$(scripts/hash_sources.sh)
source scripts/gpu/environment.sh
mkdir -p "$STATE"

is_wanted() {
  [[ $wanted == ' ' || $1 == *_build.sh || $1 == *_smoke.sh ]] ||
    [[ $wanted == *" $(stage_of "$1") "* || $wanted == *" ${1:12:1} "* ]]
}
is_done() { [[ -e $STATE/$1.done && $(<"$STATE/$1.done") == "$sources" ]]; }
overview() {
  local file stage mark
  for file in "${files[@]}"; do
    stage=$(stage_of "$file") mark=''
    [[ ! -e $STATE/$stage.failed ]] || mark=failed
    [[ ! -e $STATE/$stage.skipped ]] || mark=skipped
    [[ ! -e $STATE/$stage.done ]] || mark=$(is_done "$stage" && echo done || echo earlier)
    printf '%-8s%-3s%-13s %s\n' "$mark" "${file:12:2}" "$stage" "$(about "$file")"
  done
}

# Runs the stage of a file within its time limit; its output goes to $STATE/STAGE.log too. A stage
# that cannot run on this machine exits with 77.
run() {
  local stage start=$SECONDS status result limit tee
  stage=$(stage_of "$1") limit=$(about "$1" | sed -nE 's/.*; at most ([0-9]+) s\.$/\1/p')
  printf '\n== %s: %s\n' "$stage" "$(about "$1")"
  rm -f "$STATE/$stage".{done,failed,skipped}
  exec 3> >(tee "$STATE/$stage.log")
  tee=$!
  timeout --kill-after=10 "${limit:?"$1 has no time limit"}" bash "$1" >&3 2>&1 3>&- &
  child=$!
  exec 3>&-
  wait "$child"
  status=$?
  wait "$tee"
  case $status in
    0) result=done ;;
    77) result=skipped status=0 ;;
    *) result=failed ;;
  esac
  echo "$sources" >"$STATE/$stage.$result"
  printf '== %s: %s (%d), %d s\n' "$stage" $result $status $((SECONDS - start))
  return "$status"
}

[[ ! $list ]] || { overview; exit 0; }
child=''
trap '[[ ! $child ]] || kill "$child"; say "stopped; the same command continues"; exit 130' INT TERM
failed=0
for file in "${files[@]}"; do
  stage=$(stage_of "$file")
  is_wanted "$file" || continue
  [[ ! $again && $stage != build ]] && is_done "$stage" &&
    { echo "== $stage: already done"; continue; }
  run "$file" || { failed=$?; [[ ! $stage =~ ^(probe|build|smoke)$ ]] || break; }
done
echo
overview
tar -C "$STATE/.." -czf "$STATE/../take_home.tar.gz" --exclude='*.text' "$PRESET"
exit "$failed"
