#!/usr/bin/env bash
# Measure the products of a block: chosen, guessed by the library, unfused; at most 180 s.
set -euo pipefail
"$BIN/products" --device cuda ${EMULATED:+--small} | tee "$STATE/products.json"
