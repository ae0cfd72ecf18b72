#!/usr/bin/env bash
# holes.sh SOURCE BUILD: each mistake of tests/holes/mistakes.txt, planted alone, is noticed by the
# test that the list names.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

list=tests/holes/mistakes.txt
tests/holes/plant.py run "$list" --build "$build" || problem "the lines that begin with # say which"
count=$(grep -c '^[a-z].*: unit' "$list" 2>/dev/null) || count=0
finish "$count" "mistakes"
