#!/usr/bin/env bash
# promtool has nothing to say about the metrics of an echod at rest, under load, and afterwards.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
command -v promtool >/dev/null || problem "there is no promtool (Debian: prometheus)"

"$build/bin/echod" --listen "unix:$work/echo" --control "$work/control" >"$work/out" 2>&1 &
server=$!
until grep -qs 'listening on' "$work/out"; do
	kill -0 "$server" 2>/dev/null || break
	sleep 0.05
done

count=0
check() {
	count=$((count + 1))
	"$build/bin/echoctl" --control "$work/control" stats --prometheus >"$work/metrics" || problem "no metrics $1"
	promtool check metrics <"$work/metrics" >"$work/said" 2>&1 || problem "promtool fails $1"
	[[ ! -s $work/said ]] || problem "promtool $1: $(<"$work/said")"
}

check "at rest"
"$build/bin/echoload" "unix:$work/echo" --connections 20 --mode churn --duration 2s >/dev/null 2>&1 &
load=$!
while kill -0 "$load" 2>/dev/null; do
	check "under load"
	sleep 0.2
done
wait "$load" || true # what it says of itself is not the matter here
check "after the load"
grep -qE '^echod_bytes_sent_total [1-9]' "$work/metrics" || problem "the load was none"
for name in 'echod_build_info{version="[0-9.]+"} 1' 'process_start_time_seconds [1-9][0-9]{9}\.' 'echod_workers [1-9]'; do
	grep -qE "^$name" "$work/metrics" || problem "not among the metrics: $name"
done
finish "$count" "snapshots"
