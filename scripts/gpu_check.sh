#!/usr/bin/env bash
# Builds on a machine with an NVIDIA GPU, runs every test there without skipping GPU tests, runs the
# checks that require a physical GPU, and measures performance. Runs in a checkout or an unpacked
# bundle (make_bundle.sh). Stages that passed for the same commit are skipped, so the script can be
# stopped and continued.
#
#   scripts/gpu_check.sh                    all stages, in the order of --list
#   scripts/gpu_check.sh build smoke tests  only these stages
#   scripts/gpu_check.sh --list             lists the stages and their state
#   scripts/gpu_check.sh --again ...        repeats stages that passed
#   scripts/gpu_check.sh --emulated ...     a smaller rehearsal on an emulated GPU; measures nothing
#
# Environment:
#   TEXT=file       text to train on; default: the King James Bible
#   PYTHON=python3  Python interpreter; with PyTorch installed, training speed is compared with it
#   LLM_C=folder    llm.c with train_gpt2cu built, to compare with as well
set -uo pipefail
cd "$(dirname "$0")/.."

stages=(look build smoke tests training ranks kernels steps outputs sanitizer machine_code results)
declare -A about=(
  [look]='list the hardware and software of the machine'
  [build]='build everything for this GPU'
  [smoke]='a few tests of each kind and two training steps'
  [tests]='all tests; a GPU test that cannot run fails'
  [training]='gpt_char on GPU and CPU: same losses, and each resumes from checkpoints of the other'
  [ranks]='two ranks on one GPU, over NCCL'
  [kernels]='speed of each kernel relative to a copy, and of the matrix products of a block'
  [steps]='speed of training steps, compared with PyTorch and llm.c'
  [outputs]='kernel outputs on the GPU compared with those of the emulator'
  [sanitizer]='the kernels under compute-sanitizer: memcheck and racecheck'
  [machine_code]='counts of 16-byte accesses, local memory and matrix instructions per kernel'
  [results]='write benchmarks/results/<device>-<date>.json and the table in docs/results.md')

usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; exit "$1"; }
say() { echo "gpu_check.sh: $*" >&2; }

emulated='' again='' list='' wanted=()
for argument; do
  case $argument in
    --help) usage 0 ;;
    --list) list=yes ;;
    --again) again=yes ;;
    --emulated) emulated=yes ;;
    *) [[ ${about[$argument]-} ]] || { say "unknown stage or option $argument; see --list and --help"; exit 64; }
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
# A bundle is not a checkout; it has the commit in a file.
commit=$(git describe --always --dirty 2>/dev/null || cat packages/commit)
jobs=$(nproc)

# ---- The stages. Each writes its output to $state/STAGE.log, and measurements as lines of JSON to
# $state/STAGE.json.

look() {
  if [[ $emulated ]]; then
    echo '{"gpu": "emulated"}' >"$state/look.json"
    return
  fi
  command -v nvidia-smi >/dev/null || { say 'nvidia-smi not found, so there is no NVIDIA driver; use --emulated without a GPU'; return 78; }
  command -v nvcc >/dev/null || { say 'nvcc not found on the PATH or in /usr/local/cuda/bin; install the CUDA toolkit'; return 78; }
  nvidia-smi --query-gpu=name,compute_cap,driver_version,memory.total,memory.used,clocks.sm,clocks.mem --format=csv &&
    nvcc --version && cmake --version && g++ --version || return
  local tool
  for tool in ninja ncu compute-sanitizer cuobjdump mpirun; do echo "$tool: $(command -v "$tool" || echo none)"; done
  "$python" -c 'import torch; print("PyTorch", torch.__version__)' || echo 'PyTorch: none; skipping comparisons with it'
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

# NCCL rejects two ranks on one GPU unless each claims to be on a different host.
ranks() {
  [[ ! $emulated ]] || { echo 'skipped: NCCL is not emulated'; return; }
  env RIPIENO_REQUIRE_GPU=1 RIPIENO_BIN="$PWD/$bin" RIPIENO_MPIRUN="$PWD/tests/distributed/under_mpi.sh" \
    timeout 300 "$python" tests/training/shared_gpu_test.py --verbose
}

kernels() {
  local device=(--device cuda)
  [[ ! $emulated ]] || device+=(--small)
  "$bin/kernels" "${device[@]}" | tee "$state/kernels.json" &&
    "$bin/products" "${device[@]}" | tee "$state/products.json"
}

# compare WORKLOAD OPTIONS...: prints one line per side and round, then the comparison.
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
  # The second launch uses the algorithms that the first one chose.
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
  [[ ! $emulated ]] || { echo 'skipped: the presets asan and tsan check the emulator'; return; }
  command -v compute-sanitizer >/dev/null || { echo 'skipped: compute-sanitizer not found'; return; }
  local tool
  for tool in memcheck racecheck; do
    compute-sanitizer --tool "$tool" --error-exitcode 9 "$bin/kernels_cuda_tests" --gtest_brief=1 || return
  done
}

machine_code() {
  [[ ! $emulated ]] || { echo 'skipped: the emulator has no machine code'; return; }
  command -v cuobjdump >/dev/null || { echo 'skipped: cuobjdump not found'; return; }
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

# ---- Order and state of the stages.

# Whether a stage passed for this commit. Uncommitted changes make every stage count as not done.
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

# run STAGE: returns its status and records it in $state/STAGE.done or STAGE.failed.
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
trap 'echo; say "stopped; run the same command to continue"; overview; exit 130' INT TERM
failed=0
for stage in "${wanted[@]}"; do
  [[ ! $again ]] && is_done "$stage" && { echo "== $stage: already done"; continue; }
  run "$stage" || {
    failed=$?
    # The others do not depend on each other.
    [[ $stage != look && $stage != build ]] || break
  }
done
echo
overview
exit "$failed"
