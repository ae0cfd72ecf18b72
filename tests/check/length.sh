#!/usr/bin/env bash
# No C file has more than 400 lines. (clang-tidy sees to the functions.)
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

most=400
count=0
while read -r file; do
	count=$((count + 1))
	lines=$(wc -l <"$file")
	((lines <= most)) || problem "$file has $lines lines, more than $most"
done < <(find src include tools tests docs -name '*.[ch]')
finish "$count" "C files"
