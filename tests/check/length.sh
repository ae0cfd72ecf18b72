#!/usr/bin/env bash
# No C file has more than 400 lines (clang-tidy sees to the functions), and no comment is wider than
# 100 columns.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

mapfile -t files < <(find src include tools tests docs -name '*.[ch]')
while read -r lines file; do
	((lines <= 400)) || [[ $file == total ]] || problem "$file has $lines lines, more than 400"
done < <(wc -l "${files[@]}" </dev/null)

# A line that is, or ends in, a comment; a tab has 8 columns.
find CMakeLists.txt src include tools tests docs -type f -regextype egrep \
	-regex '.*(\.(c|h|def|sh|cmake|js|pml|go|rs)|CMakeLists\.txt)' -print0 | xargs -0 python3 -c '
import re, sys

for name in sys.argv[1:]:
    for number, line in enumerate(open(name, encoding="utf-8"), 1):
        wide = line.expandtabs()
        if len(wide) > 101 and re.match("( *| .* )(#|//)[ !]", wide):
            sys.exit(f"{name}:{number}: a comment beyond 100 columns")
' || problem "a comment is too wide"
finish "${#files[@]}" "C files"

