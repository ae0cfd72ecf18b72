# shellcheck shell=bash disable=SC2034,SC2154 # run.sh sources this and uses what it sets
# One run: echoload against a server, for run.sh, and what the server uses meanwhile.

load_pids=()

# start_load FILE OPTION...: starts echoload. Its result goes to FILE, its errors to load.err.
start_load() {
	local file=$1
	shift
	# A connection that gets no echo for 2 s is closed: an error that the report names.
	# --foreground: SIGTERM must come once, as a second one ends echoload without a result.
	(
		ulimit -n "$(ulimit -Hn)"
		exec timeout --foreground -k 5 $((seconds + 60)) taskset -c "$load_cpu" "$echoload" "127.0.0.1:$port" "$@" \
			--timeout 2s --warmup "${warm_up}ms" --allow-client-bound --json "$bench/$file"
	) >/dev/null 2>>"$bench/load.err" </dev/null &
	load_pids+=($!)
}

# stop_loads: ends those that still run; they write their results.
stop_loads() {
	local pid
	for pid in "${load_pids[@]}"; do
		kill -TERM "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	load_pids=()
}

# wait_for_connections PID COUNT: waits up to 30 s until an echoload, PID as in `load_pids`, has
# COUNT sockets.
wait_for_connections() {
	local deadline=$((SECONDS + 30)) child=none sockets=()
	until ((${#sockets[@]} >= $2)); do
		kill -0 "$1" 2>/dev/null && ((SECONDS < deadline)) || return 1
		sleep 0.02
		read -r child <"/proc/$1/task/$1/children" || true # of timeout
		mapfile -t sockets < <(compgen -G "/proc/$child/fd/*")
	done
}

wait_ms() {
	sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"
}

# sample_server: leaves in `pids` the server's processes (socat and ncat have one for each
# connection), in `ticks` the CPU time they have used, and in `at` the time, in µs. Starts no
# process: that would show in the latency.
sample_server() {
	local pid line
	at=${EPOCHREALTIME/[.,]/}
	ticks=0
	read -ra pids <"/proc/$server_pid/task/$server_pid/children" || true
	pids=("$server_pid" "${pids[@]}")
	for pid in "${pids[@]}"; do
		read -r line <"/proc/$pid/stat" || continue
		read -ra line <<<"${line##*) }"
		# utime stime cutime cstime
		ticks=$((ticks + line[11] + line[12] + line[13] + line[14]))
	done
}

# memory_of_server: leaves in `kib` the resident memory of `pids`; of several the sum of their
# proportional shares.
memory_of_server() {
	if ((${#pids[@]} == 1)); then
		read -r _ kib _ <"/proc/$server_pid/statm"
		kib=$((kib * page_kib))
	else
		kib=$(cd /proc && { cat "${pids[@]/%//smaps_rollup}" || true; } | awk '$1 == "Pss:" { sum += $2 } END { print sum + 0 }')
	fi
}

# measure_server MS: samples the server twice while echoload measures, which it begins MS from now.
# Leaves in `usage` the share of a CPU that the server used, and its memory near the end.
measure_server() {
	local pids ticks at kib busy before since
	wait_ms $(($1 + 100))
	sample_server
	before=$ticks since=$at
	wait_ms $((seconds * 1000 - 200))
	sample_server
	busy=$(((ticks - before) * 1000000000 / ticks_per_second / (at - since)))
	memory_of_server
	usage=$(printf '"server_busy": %d.%03d, "server_kib": %d' $((busy / 1000)) $((busy % 1000)) "$kib")
}

# measure: runs the load of a cell (cell_load) against the server; the results are in load.json and
# beside.json. Leaves in `usage` what the server used. Returns echoload's status, or 99 if the
# server does not work.
measure() {
	local ramp=0 status=0
	# It takes a while until many clients are connected.
	((connections < 1000)) || ramp=1000
	wait_for_server "$server_pid" "$port" || return 99
	if ((beside)); then
		start_load beside.json "${beside_options[@]}"
		wait_for_connections "${load_pids[0]}" "$beside" || return 99
	fi
	start_load load.json "${load_options[@]}" --duration "${seconds}s" --ramp "${ramp}ms"
	measure_server $((ramp + warm_up)) 2>/dev/null
	wait "${load_pids[-1]}" || status=$?
	kill -0 "$server_pid" 2>/dev/null || status=99
	stop_loads
	return "$status"
}

ticks_per_second=$(getconf CLK_TCK)
page_kib=$(($(getconf PAGESIZE) / 1024))
