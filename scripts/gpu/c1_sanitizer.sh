#!/usr/bin/env bash
# Check our own kernels with the four tools of compute-sanitizer; at most 900 s.
set -uo pipefail
[[ ! $EMULATED ]] || { echo 'skipped: the presets asan and tsan check the emulator'; exit 77; }
command -v compute-sanitizer >/dev/null || { echo 'skipped: compute-sanitizer not found'; exit 77; }
# Libraries' kernels take many minutes, and their hazards are not ours. The project's kernels have
# its namespace in their names.
ours=(--kernel-name kernel_substring=ripieno --error-exitcode 9)
check() {
  compute-sanitizer --tool "$1" "${ours[@]}" "$BIN/kernels_cuda_tests" --gtest_brief=1 \
    --gtest_filter="$2"
}
# In some virtual machines and containers the tool runs no program at all.
check memcheck '*Elementwise.FillWritesEachElement*'
case $? in
  0) ;;
  9) exit 9 ;; # it works, and found an error
  *) echo 'skipped: compute-sanitizer cannot run even one kernel here'; exit 77 ;;
esac
failed=0
for tool in memcheck racecheck synccheck initcheck; do
  printf -- '-- %s\n' "$tool"
  check "$tool" '*:-CudaRuntime.*' || failed=1
done
exit $failed
