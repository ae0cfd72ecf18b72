#!/usr/bin/env bash
# tidy.sh SOURCE BUILD [PART PARTS]: clang-tidy, as .clang-tidy asks for, over every C file that is
# compiled, or over one part of so many; among other things a function has at most 60 lines.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

database=$(mktemp -d)
trap 'rm -rf "$database"' EXIT
compiled_once "$database" "${@:3}"
# Without a flag of gcc's that clang 14 wants a second one for, and without -Werror: clang's own
# warnings, which differ from gcc's, are not asked for.
sed -i 's/ -ftrivial-auto-var-init=zero//; s/ -Werror//' "$database/compile_commands.json"

printf '%s\0' "${c_files[@]}" |
	xargs -0 -n 4 clang-tidy -p "$database" --quiet 2>"$database/noise" ||
	problem "clang-tidy is not content"
# What it says on standard error is how many warnings it suppressed; if it could not run, that is
# there too.
if ((problems)); then
	grep -v ' warnings\? generated\.$' "$database/noise" >&2 || true
fi
finish "${#c_files[@]}" "C files"
