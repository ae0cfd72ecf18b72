#!/usr/bin/env bash
# The benchmark measures a tiny cell, writes its page, and draws it.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

page=$(mktemp -d)
trap 'rm -rf "$page"' EXIT
for seconds in 1.5 5 15; do # more where others have the CPUs
	! tools/bench/run.sh --no-build --build "$build" --cells ping-1-64 --peers '' --seconds $seconds --output "$page" \
		2>"$page/log" || break
done
grep -qE '^\|1 × 64\|[0-9.]+\|[0-9.]+±' "$page/benchmarks.md" || problem "the page has no ratio: $(cat "$page/log")"
grep -q '<polyline' "$page/img/benchmark.svg" || problem "the picture has no line"
if wide=$(grep -nE '.{101}' "$page/benchmarks.md"); then
	problem "beyond 100 columns: $wide"
fi
finish 1 "cells"
