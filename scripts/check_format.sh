#!/usr/bin/env bash
# Fails if clang-format would change a source file, or if a line of a document is too long
# (check_documents.py). With --fix, formats the source files.
set -euo pipefail
cd "$(dirname "$0")/.."

arguments=(--dry-run -Werror)
[[ "${1:-}" == --fix ]] && arguments=(-i)
git ls-files -z -- '*.h' '*.cpp' '*.cu' '*.cuh' |
  xargs -0 --no-run-if-empty clang-format "${arguments[@]}"
[[ "${1:-}" == --fix ]] || scripts/check_documents.py
