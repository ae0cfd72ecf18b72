#!/usr/bin/env bash
# generator.sh [OPTION...]: what echoload costs. In interleaved rounds against the epoll yardstick,
# the server on one CPU and the generator on another: echoload with and without verification, and
# bare.c, a loop that only counts, twice in each round. See --help.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=tools/bench/servers.sh
source "$here/servers.sh"

rounds=9
seconds=2
server_cpu=0
load_cpu=1
build=true

usage() {
	cat <<END
Usage: tools/bench/generator.sh [OPTION]...
Measures echoload by a bare loop that verifies nothing, and says whether echoload
reaches its targets. Takes 16 runs a round, some six minutes in all.

Options:
  -r, --rounds N        rounds (default $rounds; fewer than 5 prove little)
  -s, --seconds N       seconds measured in each run (default $seconds)
      --server-cpu LIST CPUs for the server, as taskset takes them (default $server_cpu)
      --load-cpu LIST   CPUs for the generator (default $load_cpu)
      --no-build        build nothing
  -h, --help            print this help and exit

Exit status: 0 no target is missed, 1 one is, 2 wrong usage, 3 something failed,
4 too much noise to tell
END
}

fail() {
	echo "generator.sh: $2" >&2
	exit "$1"
}

read_options() {
	local option
	while (($#)); do
		option=$1
		case $option in
		--no-build) build=false ;;
		-h | --help) usage && exit 0 ;;
		-r | --rounds | -s | --seconds)
			[[ ${2-} =~ ^[1-9][0-9]?$ ]] || fail 2 "$option: '${2-}' is not a whole number from 1 to 99"
			;;&
		--server-cpu | --load-cpu) (($# > 1)) || fail 2 "$option needs a value" ;;&
		-r | --rounds) rounds=$2 ;;
		-s | --seconds) seconds=$2 ;;
		--server-cpu) server_cpu=$2 ;;
		--load-cpu) load_cpu=$2 ;;
		*) fail 2 "unknown option '$option', see --help" ;;
		esac
		[[ $option == --no-build ]] || shift
		shift
	done
}

load_pid=
server_pid=
scratch=$(mktemp -d)

clean_up() {
	[[ ! $load_pid ]] || kill -TERM "$load_pid" 2>/dev/null || true
	[[ ! $server_pid ]] || kill -TERM "$server_pid" 2>/dev/null || true
	rm -rf "$scratch"
}

# run CELL VARIANT ROUND: one run; `CELL VARIANT ROUND RATE` goes to the results.
run() {
	local mode connections size pipeline unit=messages rate command
	IFS=- read -r mode connections <<<"$1"
	size=64 pipeline=1
	[[ $mode == ping ]] || size=65536 pipeline=16 unit=bytes
	command=("$bench/bare" "$port" "$connections" "$size" "$pipeline" "$seconds")
	if [[ $2 != bare ]]; then
		command=("$echoload" "127.0.0.1:$port" --mode "$mode" --connections "$connections" --size "$size"
			--pipeline "$pipeline" --duration "${seconds}s" --warmup 300ms --allow-client-bound --json -)
		[[ $2 == on ]] || command+=(--no-verify)
	fi
	timeout -k 5 $((seconds + 30)) taskset -c "$load_cpu" "${command[@]}" \
		>"$scratch/out" 2>"$scratch/err" </dev/null &
	load_pid=$!
	# 4: nothing was echoed, which may be the machine's fault; the round is left out.
	wait "$load_pid" || (($? == 4)) || fail 3 "$1, $2: $(sed -n 1p "$scratch/err")"
	load_pid=
	rate=$(sed -nE "/.*\"${unit}_per_second\": ([0-9.]+).*/{s//\\1/p;q}" "$scratch/out")
	echo "$1 $2 $3 $rate" >>"$results"
}

run_all() {
	local round cell i variants=(bare off bare on)
	for ((round = 1; round <= rounds; round++)); do
		for cell in ping-1 ping-50 ping-1000 stream-1; do
			[[ ! -t 2 ]] || printf '\rround %d of %d: %-10s' "$round" "$rounds" "$cell" >&2
			for i in 0 1 2 3; do
				run "$cell" "${variants[(i + round) % 4]}" "$round"
			done
		done
	done
	[[ ! -t 2 ]] || echo >&2
}

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
read_options "$@"
bench=$root/build/release/bench
echoload=$root/build/release/bin/echoload
results=$bench/generator
if $build; then
	(cd "$root" && cmake --preset release &&
		cmake --build --preset release --target echoload bench_bare bench_epoll) >"$scratch/log" 2>&1 ||
		fail 3 "the build failed: $(tail -n 5 "$scratch/log")"
fi
[[ -x $echoload && -x $bench/bare && -x $bench/epoll ]] || fail 3 "something is not built; leave out --no-build"
taskset -c "$server_cpu,$load_cpu" true || fail 2 "CPUs '$server_cpu' and '$load_cpu' cannot be used"
ulimit -n "$(ulimit -Hn)"
: >"$results"
port=$((25000 + $$ % 5000))
taskset -c "$server_cpu" "$bench/epoll" "$port" >/dev/null </dev/null &
server_pid=$!
wait_for_server "$server_pid" "$port" || fail 3 "the server does not start"
run_all
python3 "$here/generator.py" "$results"
