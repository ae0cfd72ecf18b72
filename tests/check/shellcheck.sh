#!/usr/bin/env bash
# Every shell script passes shellcheck, can be executed, and stops at the first error.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

mapfile -t files < <(grep -rlIE --exclude-dir=build --exclude-dir=.git \
	'^#!.*[/ ](ba|da)?sh\b|^# shellcheck shell=' . | sort)
shellcheck --external-sources "${files[@]}" || problem "shellcheck is not content"
for file in "${files[@]}"; do
	[[ $(head -n 1 "$file") == '#!'* ]] || continue
	[[ -x $file ]] || problem "$file cannot be executed"
	grep -qE '^set -euo pipefail$|/common\.sh" "\$@"$' "$file" ||
		problem "$file does not stop at errors (set -euo pipefail)"
done
finish "${#files[@]}" "scripts"
