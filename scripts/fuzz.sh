#!/usr/bin/env bash
# Builds the fuzzers (preset fuzz: clang with libFuzzer) and runs each for SECONDS, starting from
# the seeds in tests/fuzz/corpus and earlier findings in tests/fuzz/found. Writes inputs that fail
# to build/fuzz/found/<parser>; add them to tests/fuzz/found/<parser> as tests.
#
#   scripts/fuzz.sh SECONDS [PARSER ...]
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?usage: scripts/fuzz.sh SECONDS [PARSER ...]}
shift
(($#)) && parsers=("$@") || mapfile -t parsers < <(ls tests/fuzz/corpus)
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1

cmake --preset fuzz >/dev/null && cmake --build --preset fuzz || exit 1
failed=0
for parser in "${parsers[@]}"; do
  mkdir -p "build/fuzz/corpus/$parser" "build/fuzz/found/$parser" "tests/fuzz/found/$parser"
  log=build/fuzz/$parser.log
  if build/fuzz/bin/"fuzz_$parser" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
    -dict=tests/fuzz/dictionaries/"$parser" -artifact_prefix="build/fuzz/found/$parser/" -print_final_stats=1 \
    "build/fuzz/corpus/$parser" "tests/fuzz/corpus/$parser" "tests/fuzz/found/$parser" 2>"$log"; then
    printf '%s: no failure in %s executions; %s\n' "$parser" \
      "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
      "$(grep -o 'cov: [0-9]* ft: [0-9]* corp: [0-9]*' "$log" | tail -n 1)"
  else
    tail -n 40 "$log"
    printf '%s: FAILED, see above and build/fuzz/found/%s\n' "$parser" "$parser"
    failed=1
  fi
done
exit $failed
