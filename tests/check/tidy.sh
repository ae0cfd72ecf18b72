#!/usr/bin/env bash
# clang-tidy, as .clang-tidy asks for, over every C file that is compiled; among other things a function
# has at most 60 lines.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

database=$(mktemp -d)
trap 'rm -rf "$database"' EXIT
# A flag of gcc's that clang 14 wants a second one for.
sed 's/ -ftrivial-auto-var-init=zero//' "$build/compile_commands.json" >"$database/compile_commands.json"
mapfile -t files < <(sed -n 's/^ *"file": "\(.*\)".*/\1/p' "$database/compile_commands.json" | sort -u)

printf '%s\0' "${files[@]}" |
	xargs -0 -n 1 -P "$(nproc)" clang-tidy -p "$database" --quiet 2>"$database/noise" ||
	problem "clang-tidy is not content"
# What it says on standard error is how many warnings it suppressed; if it could not run, that is there too.
if ((problems)); then
	grep -v ' warnings\? generated\.$' "$database/noise" >&2 || true
fi
finish "${#files[@]}" "C files"
