#!/usr/bin/env bash
# Installs missing packages, builds, trains a small GPT on this machine, and generates text with it.
# Running it again continues the training, or generates text if it has finished. Ctrl-C saves and
# stops.
#
#   scripts/quickstart.sh [--data FILE] [--ranks N] [--tokenizer characters|bpe]
#
# FILE: a UTF-8 text to train on instead of the King James Bible; N: ranks, 2 by default; bpe: tokens
# are frequent sequences of bytes, of a vocabulary of 4,000 that is trained on the text first
set -euo pipefail
called_from=$PWD
cd "$(dirname "$0")/.."

run=runs/quickstart
text=runs/king_james_bible.txt
ranks=2
tokenizer=characters
again="scripts/quickstart.sh${*:+ $*}"

usage() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' scripts/quickstart.sh
  exit "$1"
}

while (($#)); do
  case $1 in
    --data | --ranks | --tokenizer) (($# > 1)) || { echo "quickstart.sh: $1 requires a value" >&2; exit 64; } ;;&
    --data) text=$(cd "$called_from" && realpath --canonicalize-missing -- "$2") ;;
    --ranks) ranks=$2 ;;
    --tokenizer)
      [[ $2 == characters || $2 == bpe ]] ||
        { echo "quickstart.sh: --tokenizer is $2; must be characters or bpe" >&2; exit 64; }
      tokenizer=$2 ;;
    --help) usage 0 ;;
    *) echo "quickstart.sh: unknown argument $1" >&2; usage 64 >&2 ;;
  esac
  shift 2
done

# The architectures of this machine's GPUs, as CMake names them: "90-real;100-real". Empty if there
# are none.
gpu_architectures() {
  { timeout 60 nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null || true; } |
    sed -nE 's/^([0-9]+)\.([0-9]+)$/\1\2-real/p' | sort -u | paste -s -d ';'
}

# Configures for this machine only. An existing build keeps its configuration.
configure() {
  [[ -d /usr/local/cuda/bin ]] && PATH=$PATH:/usr/local/cuda/bin
  local gpus what options=(-DRIPIENO_CPU_LEVELS=machine -DCMAKE_UNITY_BUILD=ON)
  gpus=$(gpu_architectures)
  if [[ $gpus ]] && command -v nvcc >/dev/null; then
    options+=(-DRIPIENO_CUDA=ON "-DCMAKE_CUDA_ARCHITECTURES=$gpus")
    what="GPU kernels for ${gpus//-real/}"
  else
    options+=(-DRIPIENO_CUDA=OFF)
    what="no GPU kernels ($([[ $gpus ]] && echo 'no CUDA toolkit found' || echo 'no GPU found'))"
  fi
  echo "Building in build/release for this machine: its CPU level, $what."
  cmake --preset release "${options[@]}" >/dev/null
}

build() {
  [[ -e build/release/build.ninja ]] || configure
  cmake --build --preset release --target train_gpt generate ripieno
}

# The King James Bible, 4.4 MB, from Debian's bible-kjv-text.
write_text() {
  [[ -e $text || $text != runs/king_james_bible.txt ]] && return
  mkdir -p runs
  bible -f 'gen1:1-rev22:21' >"$text.partial"
  mv "$text.partial" "$text"
}

# Trains the vocabulary, once, beside the run.
train_tokenizer() {
  [[ $tokenizer == bpe ]] || return 0
  run=${run}_bpe
  tokenizer=$run.tokenizer.json
  mkdir -p runs
  [[ -e $tokenizer ]] ||
    build/release/bin/ripieno train_tokenizer "$text" --vocabulary 4000 --output "$tokenizer"
}

# Runs mpirun in a separate session, so that Ctrl-C reaches only this script, which sends mpirun
# SIGUSR1: all ranks save and stop. Sets `status`.
train() {
  local command=(mpirun --quiet -n "$ranks")
  ((ranks > $(nproc))) && command+=(--oversubscribe --mca mpi_yield_when_idle 1)
  command+=(build/release/bin/train_gpt --config examples/configs/gpt_char.toml --run-dir "$run"
    --set "data.path=$text" --set "data.tokenizer=$tokenizer" --set schedule.steps=4000)
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  # Containers forbid reading another process's memory; Open MPI would print an error per message.
  export OMPI_MCA_btl_vader_single_copy_mechanism=none
  setsid "${command[@]}" </dev/null &
  local mpirun=$!
  trap 'interrupted=yes; echo; echo "Saving the run..."; kill -USR1 "$mpirun" 2>/dev/null' INT TERM HUP
  while :; do
    interrupted=
    wait "$mpirun" && status=0 || status=$?
    [[ $interrupted ]] || break
  done
  trap - INT TERM HUP
}

scripts/install_dependencies.sh
build
write_text
train_tokenizer
train
case $status in
  0) ;;
  75) echo "Saved. To continue: $again"; exit 75 ;;
  *) exit "$status" ;;
esac

as_root=
((EUID)) || as_root=" --allow-run-as-root"
echo
echo "Generated text:"
echo
build/release/bin/generate "$run" --tokens 400 --seed 1
echo
echo "Report:            $run/report.html"
echo "Continue training: mpirun$as_root -n $ranks build/release/bin/train_gpt --config examples/configs/gpt_char.toml --run-dir $run --set data.path=$text --set data.tokenizer=$tokenizer --steps 6000"
echo "Generate text:     build/release/bin/generate $run --prompt 'In the beginning'"
echo "List checkpoints:  build/release/bin/ripieno inspect $run"
