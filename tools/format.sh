#!/usr/bin/env bash
# format.sh [--check]: formats all C files by .clang-format; with --check it only lists those that
# differ from it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${1-} in
"") mode=(-i) ;;
--check) mode=(--dry-run -Werror) ;;
*)
	echo "format.sh: unknown option '$1': --check or nothing" >&2
	exit 2
	;;
esac

mapfile -t files < <(find src include tools tests docs -name '*.[ch]' | sort)
if ((${#files[@]} == 0)); then
	echo "format.sh: found no C files" >&2
	exit 1
fi
clang-format "${mode[@]}" "${files[@]}"
