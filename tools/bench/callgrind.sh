#!/usr/bin/env bash
# callgrind.sh [SERVER...]: instructions and system calls a message, with one connection and crowded
# (50), for echod and the yardstick (or these servers), on CPU 0 with the load on CPU 1. Neither
# depends on the state of the machine. Needs valgrind and strace, and what build.sh has built;
# writes tables to standard output.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
bench=$root/build/release/bench
echod=${ECHOD:-$root/build/release/bin/echod}
echoload=$root/build/release/bin/echoload
read -ra echod_options <<<"${ECHOD_OPTIONS-}"
port=$((20000 + $$ % 5000))
server_pid=
scratch=$(mktemp -d)

# server_command NAME PORT: sets `command`, from servers.txt.
server_command() {
	if [[ $1 == echod ]]; then
		command=("$echod" --listen "127.0.0.1:$2" --control none --log-level error "${echod_options[@]}")
		return
	fi
	local line
	line=$(sed -nE "s|^$1 +[0-9]+ +||p" "$here/servers.txt")
	[[ $line ]] || { echo "callgrind.sh: no server is called '$1', see servers.txt" >&2 && exit 2; }
	line=${line//%p/$2} line=${line//%b/$bench} line=${line//%h/$here}
	read -ra command <<<"$line"
}

# wait_for_server: waits up to 10 s until the server takes a connection. Fails if it does not.
wait_for_server() {
	local deadline=$((SECONDS + 10))
	until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		kill -0 "$server_pid" 2>/dev/null && ((SECONDS < deadline)) || return 1
		sleep 0.02
	done
}

stop_server() {
	[[ $server_pid ]] || return 0
	# The tool writes its figures once the server, its child or itself, has ended.
	kill -TERM -- "-$server_pid" 2>/dev/null || true
	local tries=0
	while kill -0 "$server_pid" 2>/dev/null && ((tries++ < 100)); do
		sleep 0.1
	done
	kill -KILL -- "-$server_pid" 2>/dev/null || true
	wait "$server_pid" 2>/dev/null || true
	server_pid=
}

trap 'stop_server; rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# measure SECONDS CONNECTIONS SERVER TOOL...: runs the server under the tool. Leaves in `messages`
# how many it echoed.
measure() {
	local seconds=$1 connections=$2 server=$3
	shift 3
	port=$((port + 1))
	server_command "$server" "$port"
	setsid taskset -c 0 "$@" "${command[@]}" >/dev/null 2>"$scratch/log" </dev/null &
	server_pid=$!
	wait_for_server ||
		{ echo "callgrind.sh: $server does not start: $(sed -n 1p "$scratch/log")" >&2 && exit 3; }
	timeout -k 5 $((seconds + 60)) taskset -c 1 "$echoload" "127.0.0.1:$port" --connections "$connections" \
		--duration "${seconds}s" --timeout 2s --allow-client-bound --json "$scratch/load" >/dev/null
	stop_server
	messages=$(sed -n 's/^  "messages": \([0-9]*\),$/\1/p' "$scratch/load")
	starved=
	! grep -q '"timeout":' "$scratch/load" || starved="; some of the connections were not served for 2 s"
}

# instructions FILE: the total that callgrind has written.
instructions() {
	sed -n 's/^\(summary\|totals\): //;T;p;q' "$1"
}

# The difference of a long and a short run is free of the cost of starting.
count_instructions() {
	local seconds counts=() totals=()
	for seconds in 1 5; do
		measure "$seconds" "$2" "$1" valgrind --tool=callgrind --fair-sched=yes \
			--callgrind-out-file="$scratch/callgrind.$seconds"
		counts+=("$messages")
		totals+=("$(instructions "$scratch/callgrind.$seconds")")
	done
	awk -v instructions=$((totals[1] - totals[0])) -v messages=$((counts[1] - counts[0])) \
		-v name="$1, $2 connection(s)$starved" \
		'BEGIN { printf "%s\n  %8.0f  instructions in user space a message\n", name, instructions / messages }'
}

# Calls that happen less than once in a hundred messages are left out of the list, not of the sum.
count_calls() {
	measure 2 "$2" "$1" strace --follow-forks --summary-only --output="$scratch/strace"
	awk -v messages="$messages" '
		$1 ~ /^[0-9.]+$/ && $NF != "total" {
			all += $4
			if ($4 / messages >= 0.01)
				printf "  %8.2f  %s\n", $4 / messages, $NF
		}
		END { printf "  %8.2f  system calls a message\n", all / messages }' "$scratch/strace"
}

servers=("$@")
((${#servers[@]})) || servers=(echod epoll)
[[ -x $echoload ]] || { echo "callgrind.sh: run tools/bench/build.sh first" >&2 && exit 3; }
for server in "${servers[@]}"; do
	for connections in 1 50; do
		count_instructions "$server" "$connections"
		count_calls "$server" "$connections"
	done
done
