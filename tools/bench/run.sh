#!/usr/bin/env bash
# run.sh [OPTION...]: benchmarks echod beside its peers, see --help.
set -euo pipefail

command -v python3 >/dev/null || { echo "run.sh: there is no python3" >&2 && exit 3; }
exec python3 "$(dirname "${BASH_SOURCE[0]}")/bench.py" "$@"
