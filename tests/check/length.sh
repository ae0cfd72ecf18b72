#!/usr/bin/env bash
# No C file has more than 400 lines (clang-tidy sees to the functions), and no comment is wider than
# 100 columns.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

export LC_ALL=C.UTF-8 # characters are counted, not bytes
most=400
count=0
while read -r file; do
	count=$((count + 1))
	lines=$(wc -l <"$file")
	((lines <= most)) || problem "$file has $lines lines, more than $most"
done < <(find src include tools tests docs -name '*.[ch]')

# A line that is, or ends in, a comment; a tab has 8 columns.
mapfile -t files < <(find CMakeLists.txt src include tools tests docs -type f -regextype egrep \
	-regex '.*(\.(c|h|def|sh|cmake|js|pml|go|rs)|CMakeLists\.txt)')
for file in "${files[@]}"; do
	! wide=$(expand "$file" | grep -nE '^.{101}' | grep -E '^[0-9]+:( *| .* )(#|//)[ !]') ||
		problem "$file: a comment beyond 100 columns: $wide"
done
finish "$count" "C files"

