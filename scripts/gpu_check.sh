#!/usr/bin/env bash
# Builds on a machine with an NVIDIA GPU, runs every test there with none skipped for want of one,
# checks what only a device can show, and measures. From a checkout, or from an unpacked bundle
# (make_bundle.sh). A stage that is done is not done again for the same commit, so the script can be
# stopped after any, and goes on where it was.
#
#   scripts/gpu_check.sh                    all stages, in the order of --list
#   scripts/gpu_check.sh build smoke tests  these
#   scripts/gpu_check.sh --list             the stages, and how far each is
#   scripts/gpu_check.sh --again …          done or not
#   scripts/gpu_check.sh --emulated …       a rehearsal on a machine without a GPU: smaller, and nothing is measured
#
#   TEXT=file       to train on; the King James Bible where not given
#   PYTHON=python3  the one that has PyTorch, for comparisons; without it they are left out
#   LLM_C=folder    llm.c with its train_gpt2cu built, to be compared as well
set -uo pipefail
cd "$(dirname "$0")/.."

stages=(look build smoke tests training ranks kernels steps outputs sanitizer machine_code results)
declare -A about=(
  [look]='what the machine has'
  [build]='everything, for this GPU'
  [smoke]='the smallest check that can fail: one test of each kind, one training step'
  [tests]='every test, none skipped for want of a GPU'
  [training]='gpt_char on GPU and CPU: the same losses, and checkpoints of one resumed on the other'
  [ranks]='two processes on one GPU, over NCCL'
  [kernels]='each kernel beside a copy in the same run, and the matrix products of a block'
  [steps]='whole training steps beside PyTorch, and llm.c, in turn'
  [outputs]='what each kernel computes on the GPU beside what the emulator computed'
  [sanitizer]='the kernels under compute-sanitizer: memcheck and racecheck'
  [machine_code]='the machine code: 16-byte accesses, local memory, matrix instructions'
  [results]='benchmarks/results/<device>-<date>.json, and the table in docs/results.md')

usage() { sed -n '2,16s/^# \{0,1\}//p' "$0"; exit "$1"; }
say() { echo "gpu_check.sh: $*" >&2; }

emulated='' again='' list='' wanted=()
for argument; do
  case $argument in
    --help) usage 0 ;;
    --list) list=yes ;;
    --again) again=yes ;;
    --emulated) emulated=yes ;;
    *) [[ ${about[$argument]-} ]] || { say "there is no stage $argument; --list names them"; exit 64; }
       wanted+=("$argument") ;;
  esac
done
((${#wanted[@]})) || wanted=("${stages[@]}")

[[ -d /usr/local/cuda/bin ]] && PATH=$PATH:/usr/local/cuda/bin
[[ ! -f packages/environment.sh ]] || source packages/environment.sh
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
preset=gpu kernel_tests=kernels_cuda_tests
[[ ! $emulated ]] || preset=emulated kernel_tests=kernels_emulated_tests
state=build/gpu_check/$preset bin=build/$preset/bin python=${PYTHON:-python3}
mkdir -p "$state"
# Of a bundle, which is no checkout, the archive names it.
commit=$(git describe --always --dirty 2>/dev/null || cat packages/commit)
jobs=$(nproc)

# ---- The stages. Each leaves its output in $state/STAGE.log, and figures as lines of JSON in
# $state/STAGE.json.

look() {
  if [[ $emulated ]]; then
    echo '{"gpu": "emulated"}' >"$state/look.json"
    return
  fi
  command -v nvidia-smi >/dev/null || { say 'there is no nvidia-smi, so no NVIDIA driver; --emulated rehearses without a GPU'; return 78; }
  command -v nvcc >/dev/null || { say 'there is no nvcc on the PATH or in /usr/local/cuda/bin: install the CUDA toolkit'; return 78; }
  nvidia-smi --query-gpu=name,compute_cap,driver_version,memory.total,memory.used,clocks.sm,clocks.mem --format=csv &&
    nvcc --version && cmake --version && g++ --version || return
  local tool
  for tool in ninja ncu compute-sanitizer cuobjdump mpirun; do echo "$tool: $(command -v "$tool" || echo none)"; done
  "$python" -c 'import torch; print("PyTorch", torch.__version__)' || echo 'PyTorch: none, so nothing is compared with it'
  nvidia-smi --query-gpu=name,compute_cap,driver_version,memory.total --format=csv,noheader --id=0 |
    "$python" -c 'import json, sys; print(json.dumps(dict(zip(["gpu", "compute_capability", "driver", "memory"], sys.stdin.read().strip().split(", ")))))' >"$state/look.json"
}

build() {
  [[ -d packages ]] || scripts/install_dependencies.sh || return
  if [[ $emulated ]]; then
    cmake --preset dev -B build/emulated -DRIPIENO_CUDA=EMULATED
  else
    local capability
    capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader --id=0 | tr -d .)
    cmake --preset gpu -DCMAKE_CUDA_ARCHITECTURES="$capability-real"
  fi && cmake --build "build/$preset" --parallel "$jobs"
}

smoke() {
  RIPIENO_REQUIRE_GPU=1 "$bin/$kernel_tests" --gtest_brief=1 --gtest_filter='*Elementwise*:*Matmul*:*Runtime*' &&
    "$bin/train_step" --workload mlp-64 --device cuda --steps 2
}
tests() {
  RIPIENO_REQUIRE_GPU=1 "$python" scripts/run_tests.py "build/$preset" --test-dir "build/$preset" --output-on-failure \
    --parallel $(((jobs + 1) / 2))
}

text() {
  if [[ ${TEXT-} ]]; then
    realpath -- "$TEXT"
  elif [[ -e packages/king_james_bible.txt ]]; then
    realpath packages/king_james_bible.txt
  else
    [[ -e $state/text.txt ]] || bible -f 'gen1:1-rev22:21' >"$state/text.txt"
    realpath "$state/text.txt"
  fi
}

training() {
  local real=()
  [[ $emulated ]] || real=(RIPIENO_GPT_CHAR_TEXT="$(text)")
  env RIPIENO_REQUIRE_GPU=1 RIPIENO_BIN="$PWD/$bin" "${real[@]}" "$python" tests/training/gpu_test.py --verbose
}

# NCCL refuses two ranks of one GPU, unless each says that it is on a host of its own.
ranks() {
  [[ ! $emulated ]] || { echo 'NCCL is not emulated'; return; }
  env RIPIENO_REQUIRE_GPU=1 RIPIENO_BIN="$PWD/$bin" RIPIENO_MPIRUN="$PWD/tests/distributed/under_mpi.sh" \
    timeout 300 "$python" tests/training/shared_gpu_test.py --verbose
}

kernels() {
  local device=(--device cuda)
  [[ ! $emulated ]] || device+=(--small)
  "$bin/kernels" "${device[@]}" | tee "$state/kernels.json" &&
    "$bin/products" "${device[@]}" | tee "$state/products.json"
}

# compare WORKLOAD OPTIONS...: one line a side and round, and the comparison last.
compare() { "$python" benchmarks/compare_with_peer.py "$@" --device cuda --bin "$bin" --python "$python" | tee -a "$state/steps.json"; }

steps() {
  : >"$state/steps.json"
  if [[ $emulated ]]; then
    "$bin/train_step" --workload mlp --device cuda --steps 2 --rounds <<<'' | tee -a "$state/steps.json"
    return
  fi
  if "$python" -c 'import torch' 2>/dev/null; then
    compare gpt2-124m --dtype bf16 --batch 64 --compile --repeats 5 --steps 10 &&
      compare gpt2-1558m --dtype bf16 --batch 16 --compile --repeats 3 --steps 5 --alone &&
      compare gpt-10m --dtype f32 --repeats 5 --steps 30
  else
    "$bin/train_step" --workload gpt2-124m --device cuda --dtype bf16 --batch 64 --steps 20 | tee -a "$state/steps.json"
  fi || return
  # The second start finds the algorithms chosen.
  "$bin/train_step" --workload gpt2-124m --device cuda --dtype bf16 --batch 64 --steps 10 | tee -a "$state/steps.json"
  [[ ! ${LLM_C-} ]] || "$python" benchmarks/peers/llm_c.py "$LLM_C" --batch 64 --steps 30 | tee -a "$state/steps.json"
}

outputs() {
  local tests=(--gtest_brief=1 --gtest_filter='*/Forward:*/Gpu') side
  rm -f "$state"/outputs.*
  RIPIENO_KERNEL_OUTPUTS=$state/outputs.emulated "$bin/kernels_emulated_tests" "${tests[@]}" &&
    RIPIENO_KERNEL_OUTPUTS=$state/outputs.real "$bin/$kernel_tests" "${tests[@]}" &&
    "$python" tests/kernels/cuda/compare_outputs.py "$state/outputs.emulated" "$state/outputs.real"
}

sanitizer() {
  [[ ! $emulated ]] || { echo 'AddressSanitizer and ThreadSanitizer do this for the emulator: presets asan and tsan'; return; }
  command -v compute-sanitizer >/dev/null || { echo 'there is no compute-sanitizer here'; return; }
  local tool
  for tool in memcheck racecheck; do
    compute-sanitizer --tool "$tool" --error-exitcode 9 "$bin/kernels_cuda_tests" --gtest_brief=1 || return
  done
}

machine_code() {
  [[ ! $emulated ]] || { echo 'the emulator has none'; return; }
  command -v cuobjdump >/dev/null || { echo 'there is no cuobjdump here'; return; }
  cuobjdump --dump-sass "$bin/train_step" | awk '
    /Function :/ { name = $3; names[name] }
    /LDG\.E.*\.128/ { wide[name]++ }  /STG\.E.*\.128/ { wide[name]++ }  / LD[LG]\.| ST[LG]\./ { any[name]++ }
    / LDL| STL/ { local[name]++ }     /HMMA|WGMMA|HGMMA/ { matrix[name]++ }
    END { for (n in names) printf "%6d accesses, %5d of 16 bytes, %4d local, %4d matrix  %s\n", any[n], wide[n], local[n], matrix[n], n }' |
    sort -k 9 | (c++filt 2>/dev/null || cat)
}

results() {
  local results=(scripts/write_gpu_results.py "$state" "$commit")
  [[ $emulated ]] && results+=(--into "$state/results") # a rehearsal measures nothing
  "$python" "${results[@]}"
}

# ---- Their order, and how far they are.

# Of this commit. What is not committed may have changed since, so then nothing counts as done.
is_done() { [[ $commit != *-dirty && -e $state/$1.done && $(<"$state/$1.done") == "$commit" ]]; }

overview() {
  local stage mark
  for stage in "${stages[@]}"; do
    mark='        '
    [[ ! -e $state/$stage.failed ]] || mark='failed  '
    [[ ! -e $state/$stage.done ]] || mark='done    '
    is_done "$stage" || [[ $commit == *-dirty || $mark != done* ]] || mark='earlier '
    printf '%s%-13s %s\n' "$mark" "$stage" "${about[$stage]}"
  done
}

# run STAGE: its status; the marks say how it ended.
run() {
  local stage=$1 start=$SECONDS status
  printf '\n== %s: %s\n' "$stage" "${about[$stage]}"
  rm -f "$state/$stage.done" "$state/$stage.failed"
  "$stage" 2>&1 | tee "$state/$stage.log"
  status=${PIPESTATUS[0]}
  if ((status)); then touch "$state/$stage.failed"; else echo "$commit" >"$state/$stage.done"; fi
  printf '== %s: %s, %d s\n' "$stage" "$( ((status)) && echo "failed ($status), see $state/$stage.log" || echo done)" $((SECONDS - start))
  return "$status"
}

[[ ! $list ]] || { overview; exit 0; }
trap 'echo; say "stopped; the same command goes on here:"; overview; exit 130' INT TERM
failed=0
for stage in "${wanted[@]}"; do
  [[ ! $again ]] && is_done "$stage" && { echo "== $stage: done already"; continue; }
  run "$stage" || {
    failed=$?
    # Nothing works without these; all others tell something by themselves.
    [[ $stage != look && $stage != build ]] || break
  }
done
echo
overview
exit "$failed"
