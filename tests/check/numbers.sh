#!/usr/bin/env bash
# Numbers do not depend on the locale: the library, whose host may set one, neither prints nor reads
# a floating-point number with the C library, and no program sets a locale.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

files=0
while read -r file; do
	files=$((files + 1))
	while read -r line; do
		problem "$file:$line"
	done < <(grep -nE "%[-+ #0-9.*]*l?[aefgAEFG]\\b|%[-+ #0-9.*]*'[-+ #0-9.*]*[a-z]|\\b(strtod|strtof|atof)\\(" "$file")
done < <(find src -name '*.[ch]' -o -name '*.def')
for program in echod echoctl echocat echoload echopath; do
	symbols=$(nm -D "$build/bin/$program" | grep ' U ') || problem "cannot read the symbols of $program"
	grep -qE ' (setlocale|uselocale)\b' <<<"$symbols" && problem "$program sets a locale"
done
finish "$files" "files"
