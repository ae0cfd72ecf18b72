#!/usr/bin/env bash
# run.sh [PART...]: checks the models here with spin, in all their states, and that it finds each
# fault they can be given (the parts whose names end in _faults). The part `large`, by hand, has
# larger bounds: minutes, and up to 8 GB. Exits with 1 if a model fails or a fault is not found.
set -euo pipefail

models=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
problems=0
megabytes=1900 seconds=600

problem() {
	printf '%s\n' "$*" >&2
	problems=$((problems + 1))
}

# check OPTIMISATION MODEL DEFINES: leaves spin's report in `report`; one that says nothing of
# errors ends it all.
check() {
	local optimisation=$1
	shift
	local safety=(-DSAFETY) search=() defines define
	read -ra defines <<<"$2"
	for define in "${defines[@]%%=*}"; do
		grep -qw "$define" "$models/$1.pml" || problem "$1 knows nothing of $define"
	done
	if [[ $2 == *LIVENESS* ]]; then
		safety=(-DNFAIR=3)
		search=(-a -f)
	fi
	rm -f "$work"/*
	cd "$work"
	cp "$models/$1.pml" . # spin gives the name to a shell as it is
	spin "${defines[@]/#/-D}" -a "$1.pml" >spin.log 2>&1 || true
	[[ -s pan.c ]] || cat spin.log >&2
	# What spin wrote is not ours to warn of.
	gcc "$optimisation" -w -DMEMLIM="$megabytes" "${safety[@]}" -o pan pan.c
	timeout "$seconds" ./pan -n -m1000000 "${search[@]}" >report 2>&1 || true
	report=$(<report)
	if ! grep -q 'errors: [0-9]' <<<"$report"; then
		printf '%s, %s: no result\n%s\n' "$1" "$2" "$report" >&2
		exit 1
	fi
}

# names MODEL: what its comments name exists in src, so that a model does not fall behind.
names() {
	local name
	while read -r name; do
		grep -rqw -- "$name" "$models/../../src" || problem "$1.pml: there is no $name in src"
	done < <(grep -oE '/\*.*|^ \*.*' "$models/$1.pml" | grep -oE '\b[a-z]+(_[a-z]+)+\b' | sort -u)
}

# holds MODEL DEFINES: no error in any state.
holds() {
	check -O2 "$@"
	local states
	states=$(awk '/states, stored/ {print $1}' <<<"$report")
	printf '%-12s%-50s%12s states\n' "$1" "$2" "$states"
	if ! grep -q 'errors: 0$' <<<"$report" ||
		grep -qE 'Search not completed|max search depth too small' <<<"$report"; then
		problem "$1, $2: fails: $(grep '^pan:[0-9]' <<<"$report")"
	fi
}

# fails MODEL DEFINES: the fault is found, and soon: compiling takes longer.
fails() {
	check -O0 "$@"
	local found
	found=$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' <<<"$report")
	printf '%-12s%-50s found: %s\n' "$1" "$2" "${found:-nothing}"
	[[ -n $found ]] || problem "$1, $2: the fault is not found"
}

part_connection() {
	holds connection "MESSAGES=2"
	holds connection "MESSAGES=1 DRAIN CONNS=1"
}

part_timeouts() {
	holds connection "TIMEOUTS MESSAGES=2 CONNS=1"
	holds connection "FULL MESSAGES=2 CONNS=1"
}

writing="WRITING MESSAGES=2 CONNS=1"

part_writing() {
	holds connection "$writing"
	holds connection "$writing TIMEOUTS"
}

part_connection_faults() {
	local fault
	for fault in PARK_BY_STORE PARK_FROM_NOTIFIED EVENT_IGNORED_WHILE_SERVED NOTIFY_BY_STORE \
		SHORT_READ_IGNORES_HUNG_UP HUNG_UP_AFTER_STATE HUNG_UP_RELAXED FORGET_STAYS_REGISTERED; do
		fails connection "MESSAGES=2 $fault"
	done
}

part_timeouts_faults() {
	local fault
	for fault in EXPIRE_BY_STORE TIMEOUT_WAKES_NOBODY; do
		fails connection "TIMEOUTS MESSAGES=1 CONNS=1 $fault"
	done
	for fault in FULL_HAS_NO_TIMEOUT TIMEOUT_WAKES_NOBODY; do
		fails connection "FULL MESSAGES=1 CONNS=1 $fault"
	done
}

part_writing_faults() {
	local fault
	for fault in ROOM_NOT_ASKED_FOR ONE_REGISTRATION CHANGE_CHECKS_NOTHING PEEK_TAKES_ALL UNSENT_IS_FORGOTTEN \
		"TIMEOUTS STUCK_IS_IDLE" "DRAIN ABORT_AFTER_SHUTDOWN" "DRAIN EMPTY_IGNORES_ABORT"; do
		fails connection "$writing $fault"
	done
}

part_queue() {
	holds queue "WORKERS=2 CPUS=1 EVENTS=2"
	holds queue "WORKERS=2 CPUS=2 EVENTS=1"
	holds queue "WORKERS=2 CPUS=1 CPUS_LATER=2 EVENTS=0"
	holds queue "WORKERS=3 CPUS=1 EVENTS=0"
}

part_liveness() {
	holds queue "LIVENESS WORKERS=2 CPUS=1"
	holds queue "LIVENESS WORKERS=2 CPUS=2"
	holds queue "LIVENESS WORKERS=2 CPUS=3"
}

part_queue_faults() {
	local fault
	for fault in CHOOSE_KEEPS_SLEEPING CHOOSE_AND_FORGET RESULTS_CLEAR_LATE WAIT_IGNORES_DEPTH \
		WAIT_IGNORES_LEADING WAIT_CHECKS_FIRST WAIT_WAKES_NOBODY PUSH_CHECKS_FIRST \
		PUSH_WAKES_NOBODY CLOSE_WAKES_NO_LEADER; do
		fails queue "WORKERS=2 CPUS=1 EVENTS=2 $fault"
	done
	fails queue "WORKERS=3 CPUS=1 EVENTS=0 CLOSE_WAKES_ONE"
	fails queue "WORKERS=3 CPUS=3 EVENTS=0 WAKE_READS_NEXT_LATE"
	fails queue "LIVENESS WORKERS=2 CPUS=1 NEVER_POLLS"
	fails queue "LIVENESS WORKERS=2 CPUS=1 YIELD_IGNORES_LEADER"
	fails queue "LIVENESS WORKERS=2 CPUS=3 POLL_IGNORES_LEADER"
}

part_acceptor() {
	holds acceptor "LIMIT=2 CLIENTS=4"
}

part_acceptor_faults() {
	local fault
	for fault in PAUSE_DOES_NOT_NOTIFY PAUSE_IS_NOT_REVIEWED DRAIN_NOTIFIES_LATE WAKER_CLEARED_FIRST \
		LEAVE_READS_FIRST HURRY_WAKES_NOBODY; do
		fails acceptor "LIMIT=2 CLIENTS=4 $fault"
	done
}

part_large() {
	megabytes=8000 seconds=3600
	holds connection "MESSAGES=1 CHILD"
	holds connection "TIMEOUTS MESSAGES=1"
	holds connection "FULL MESSAGES=1"
	holds connection "$writing DRAIN"
	holds acceptor "LIMIT=3 CLIENTS=8"
	holds queue "WORKERS=2 CPUS=2 CPUS_LATER=1 EVENTS=2"
	holds queue "WORKERS=3 CPUS=2 EVENTS=0"
}

parts=(connection timeouts writing connection_faults timeouts_faults writing_faults queue liveness queue_faults
	acceptor acceptor_faults)
(($#)) || set -- "${parts[@]}"
names connection
names queue
names acceptor
for part; do
	if [[ " ${parts[*]} large " != *" $part "* ]]; then
		echo "run.sh: no part '$part': one of ${parts[*]} large" >&2
		exit 2
	fi
	"part_$part"
done
if ((problems)); then
	echo "$problems problem(s)" >&2
	exit 1
fi
