#!/usr/bin/env bash
# cppcheck.sh SOURCE BUILD [PART PARTS]: cppcheck over every C file that is compiled, or over one
# part of so many.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

# What is suppressed:
# constParameter             a callback has the parameters that its caller wants
# knownConditionTrueFalse    false alarms where a length was limited to the size of a buffer
# nullPointerRedundantCheck  it does not see that a failed ensure() does not return; clang-tidy does
# readdirCalled              readdir_r is the one that is deprecated
# unusedStructMember         a member may be there for the alignment of its union
# varFuncNullUB              NULL is a pointer in glibc
# variableScope              a buffer may stand before the branches of which one uses it
suppressed=(
	constParameter knownConditionTrueFalse nullPointerRedundantCheck readdirCalled unusedStructMember
	varFuncNullUB variableScope
)

database=$(mktemp -d)
trap 'rm -rf "$database"' EXIT
compiled_once "$database" "${@:3}"
cppcheck --project="$database/compile_commands.json" --quiet --inline-suppr \
	--enable=warning,performance,portability,style --library=posix \
	"${suppressed[@]/#/--suppress=}" --error-exitcode=1 || problem "cppcheck is not content"
finish "${#c_files[@]}" "C files"
