#!/usr/bin/env bash
# Fails where clang-format would change one of our files; with --fix, changes them.
set -euo pipefail
cd "$(dirname "$0")/.."

arguments=(--dry-run -Werror)
[[ "${1:-}" == --fix ]] && arguments=(-i)
git ls-files -z -- '*.h' '*.cpp' '*.cu' '*.cuh' | xargs -0 --no-run-if-empty clang-format "${arguments[@]}"
