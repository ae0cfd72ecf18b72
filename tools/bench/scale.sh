#!/usr/bin/env bash
# scale.sh [OPTION...]: rate and CPU a message of echod on 1, 2, 4, … all CPUs: as one pool, and as
# several processes that share a port (--reuse-port). See --help and docs/scaling.md.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=$root/build/release/bin
seconds=10
connections=50
most=0

usage() {
	cat <<END
Usage: tools/bench/scale.sh [OPTION]...
Measures echod on 1, 2, 4, ... and all CPUs that this process may use: one pool
with a worker for each CPU, and 2, 4, ... processes on one port with as many
workers together. echoload ab compares them in paired slices. Takes --seconds for
each number of CPUs.

Options:
  -s, --seconds N      measure N seconds for each number of CPUs (default $seconds)
  -c, --connections N  connections to each server, for each CPU (default $connections)
      --cpus N         use at most N CPUs for the servers
      --bin DIR        where echod and echoload are (default build/release/bin)
  -h, --help           print this help and exit
END
}

fail() {
	echo "scale.sh: $2" >&2
	exit "$1"
}

while (($#)); do
	option=$1
	case $option in
	-h | --help) usage && exit 0 ;;
	-s | --seconds | -c | --connections | --cpus)
		[[ ${2-} =~ ^[1-9][0-9]{0,3}$ ]] || fail 2 "$option: '${2-}' is not a whole number from 1 to 9999"
		;;&
	-s | --seconds) seconds=$2 ;;
	-c | --connections) connections=$2 ;;
	--cpus) most=$2 ;;
	--bin) bin=${2-} ;;
	*) fail 2 "unknown option '$option', see --help" ;;
	esac
	shift $(($# > 1 ? 2 : 1))
done
[[ -x $bin/echod && -x $bin/echoload ]] || fail 3 "there is no echod or no echoload in '$bin': build them"

# The CPUs that this process may use, one a word.
cpus=()
while IFS=- read -r first last; do
	for ((cpu = first; cpu <= ${last:-$first}; cpu++)); do
		cpus+=("$cpu")
	done
done < <(sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status | tr ',' '\n')
((most && most < ${#cpus[@]})) || most=${#cpus[@]}

# list FIRST COUNT: CPUs as taskset takes them.
list() {
	local IFS=,
	echo "${cpus[*]:$1:$2}"
}

server_pids=()
load_pid=
scratch=$(mktemp -d)

stop_servers() {
	((${#server_pids[@]})) || return 0
	kill -TERM "${server_pids[@]}" 2>/dev/null || true
	wait "${server_pids[@]}" 2>/dev/null || true
	server_pids=()
}

clean_up() {
	[[ ! $load_pid ]] || kill -TERM "$load_pid" 2>/dev/null || true
	stop_servers
	rm -rf "$scratch"
}

# start CPUS PROCESSES WORKERS: leaves the address of the processes, one for all, in `address`.
start() {
	local i deadline pid
	address=127.0.0.1:0
	for ((i = 0; i < $2; i++)); do
		: >"$scratch/out"
		taskset -c "$1" "$bin/echod" --listen "$address" --reuse-port --workers "$3" --control none \
			--drain-timeout 1s --log-level error >"$scratch/out" 2>"$scratch/err" </dev/null &
		pid=$!
		server_pids+=("$pid")
		deadline=$((SECONDS + 10))
		until [[ -s $scratch/out ]]; do
			if ! kill -0 "$pid" 2>/dev/null || ((SECONDS > deadline)); then
				fail 3 "echod does not start: $(sed -n 1p "$scratch/err")"
			fi
			sleep 0.02
		done
		address=$(sed -n '1s/^listening on //p' "$scratch/out")
	done
}

# rows CPUS: the rows of the table, from the result of ab.
rows() {
	awk -v cpus="$1" '
		{ gsub(/[",]/, "") }
		$1 == "disturbed:" && $2 == "true" { disturbed = 1 }
		$1 == "name:" { name = $2; sub("x", " x ", name) }
		$1 == "messages_per_second:" { rate = $2 }
		$1 == "cpu_ns:" { cpu = $2 }
		$2 == "{" { part = $1 }
		part == "rate:" && $1 ~ /^(median|low|high):$/ { ratio[$1] = $2 }
		part == "rate:" && $1 == "conclusion:" {
			printf "%4d  %11s  %10.0f  %8s  %8s  %.3f (%.3f to %.3f)\n", cpus, name, rate,
				(cpu > 0 ? sprintf("%.2f us", cpu / 1000) : "?"),
				(cpu > 0 ? sprintf("%.0f %%", rate * cpu / cpus / 1e7) : "?"),
				ratio["median:"], ratio["low:"], ratio["high:"]
		}
		END { if (disturbed) print "      other programs used the CPUs: these ratios prove nothing" }
	' "$scratch/result"
}

# measure CPUS: one pool, and each way to divide it evenly.
measure() {
	local n=$1 processes targets=() where load status=0
	where=$(list 0 "$n")
	load=(taskset -c "$(list 0 "${#cpus[@]}")")
	if ((n * 2 <= ${#cpus[@]})); then
		load=(taskset -c "$(list "$n" "$n")")
		echo "      servers on CPUs $where, the generator on $(list "$n" "$n")"
	else
		echo "      servers on CPUs $where, which the generator shares: rates are of both together"
	fi
	for ((processes = 1; processes <= n; processes = processes < n && processes * 2 > n ? n : processes * 2)); do
		((n % processes == 0)) || continue
		start "$where" "$processes" $((n / processes))
		targets+=("${processes}x$((n / processes))=$address")
	done
	((n > 1)) || targets+=("again=$address")
	timeout --foreground -k 5 $((seconds + 60)) "${load[@]}" "$bin/echoload" ab "${targets[@]}" \
		--connections $((n * connections)) --threads "$n" --duration "${seconds}s" \
		--json "$scratch/result" >"$scratch/out" 2>"$scratch/err" </dev/null &
	load_pid=$!
	wait "$load_pid" || status=$?
	load_pid=
	# 4: too few rounds, or messages without an answer on a machine that is too busy.
	((status == 0 || status == 4)) || fail 3 "echoload: $(sed -n 1p "$scratch/err")"
	if [[ -s $scratch/result ]]; then
		rows "$n"
	else
		echo "      nothing was measured: $(sed -n 1p "$scratch/err")"
	fi
	rm -f "$scratch/result"
	stop_servers
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
ulimit -n "$(ulimit -Hn)"
echo "CPUs  processes x  messages/s   CPU each  CPU used  rate to the pool's, 95 %"
echo "          workers                                   interval"
for ((n = 1; n < most; n *= 2)); do
	measure "$n"
done
measure "$most"
