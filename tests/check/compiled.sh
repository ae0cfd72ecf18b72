#!/usr/bin/env bash
# Every C file here is compiled, so that none is dead and no test is forgotten.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

files=$(find "$PWD"/{src,tools,tests} -name '*.c')
compiled=$(sed -n 's/^ *"file": "\(.*\)".*/\1/p' "$build/compile_commands.json")
same "$files" "$compiled" "C files (<) and what is compiled (>) differ:"
finish "$(wc -w <<<"$compiled")" "C files"
