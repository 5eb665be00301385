#!/usr/bin/env bash
# Installs what is missing, builds, trains a small GPT on two ranks of this machine, and lets it write.
# A second call goes on where the first one stopped, or says that it is done. Ctrl-C saves.
#
#   scripts/quickstart.sh [--data FILE] [--ranks N]     FILE: any text of yours, in UTF-8
set -euo pipefail
called_from=$PWD
cd "$(dirname "$0")/.."

run=runs/quickstart
bin=build/release/bin
text=runs/king_james_bible.txt
ranks=2

usage() {
  sed -n '2,5s/^# \{0,1\}//p' "$0"
  exit "$1"
}

while (($#)); do
  case $1 in
    --data) text=$(cd "$called_from" && realpath -- "${2:?--data takes a file}"); shift 2 ;;
    --ranks) ranks=${2:?--ranks takes a number}; shift 2 ;;
    --help) usage 0 ;;
    *) echo "quickstart.sh: unknown argument $1" >&2; usage 64 >&2 ;;
  esac
done
