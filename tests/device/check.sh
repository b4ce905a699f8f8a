#!/usr/bin/env bash
# Check seqcli on an accelerator: correctness first, then speed. Prints one JSON document a line.
#   bash tests/device/check.sh [DEVICE] [--quick]      DEVICE: cuda (default), mps or cpu
set -uo pipefail
cd "$(dirname "$0")/../.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
exec python3 tests/device/check.py "$@"
