#!/usr/bin/env bash
# Write benchmarks/results/<device>-<date>/ and the table in docs/results.md; at most 60 s.
set -euo pipefail
commit=$(git describe --always --dirty 2>/dev/null || cat packages/commit)
exec "$PYTHON" scripts/write_gpu_results.py "$STATE" "$commit" ${EMULATED:+--into "$STATE/results"}
