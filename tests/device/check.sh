#!/usr/bin/env bash
# Check seqcli on a GPU: correctness first, then speed. Prints one JSON document per line.
#   bash tests/device/check.sh [--device cuda|mps|cpu] [--quick] [--seconds 280] [--data pairs.tsv]
# JOEYNMT_PYTHON=... also times JoeyNMT, which then has an environment of its own.
set -uo pipefail
cd "$(dirname "$0")/../.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
exec python3 tests/device/check.py "$@"
