#!/usr/bin/env bash
# Prints a hash of all files that determine what a build contains and what a check does. Works
# without git. Excludes builds, packages, documents and results.
#
#   scripts/hash_sources.sh [FOLDER]     default: this project
set -euo pipefail
cd "${1:-$(dirname "$0")/..}"
left_out=(./.git ./build ./packages ./runs ./Testing ./docs ./benchmarks/results)
find . \( -name __pycache__ $(printf -- '-o -path %s ' "${left_out[@]}") \) -prune -o \
  -type f -print0 |
  LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16
