#!/usr/bin/env bash
# mcdc.sh SOURCE BUILD: of the core's branches and conditions, each is shown to matter, or
# tests/mcdc/reasons.txt says why it is not.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

output=$(tests/mcdc/mcdc.py "$build") || problem "$output"
count=$(sed -n 's/ outcomes and conditions.*//p' <<<"$output")
finish "${count:-0}" "outcomes and conditions"
