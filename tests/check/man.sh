#!/usr/bin/env bash
# The manual page of a program has the options of its --help and no other, and is sound; --help fits
# 80 columns.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

# The options that begin a line of standard input, such as `-w, --workers`, indented by at most six
# columns: what stands further right is about an option.
options() {
	grep -oE '^ {0,6}(-[A-Za-z0-9], )?--[a-z][a-z-]*' | tr -d ' ' | sort -u
}

count=0
for page in echod.8 echoctl.1 echocat.1 echoload.1 echopath.1; do
	count=$((count + 1))
	program=${page%.*}
	help=$("$build/bin/$program" --help)
	listed=$(options <<<"$help") || problem "$program --help lists no options"
	# help2man has an option in the line after .TP.
	described=$(sed -nE '/^[.]TP/ { n; s/\\f[BIRP]//g; s/\\-/-/g; p }' "$build/man/$page" | options) ||
		problem "$page describes no options"
	same "$listed" "$described" "$program --help (<) and $page (>) differ:"
	grep -qx 'Exit status:' <<<"$help" || problem "$program --help does not say what its exit status means"
	if wide=$(grep -nE '.{80}' <<<"$help"); then
		problem "$program --help is wider than 79 columns: $wide"
	fi
	complaints=$(groff -man -ww -z -Tutf8 "$build/man/$page" 2>&1)
	[[ -z $complaints ]] || problem "$page: $complaints"
done
finish "$count" "pages"
