#!/usr/bin/env bash
# Measure each kernel relative to a copy; at most 120 s.
set -euo pipefail
"$BIN/kernels" --device cuda ${EMULATED:+--small} | tee "$STATE/kernels.json"
