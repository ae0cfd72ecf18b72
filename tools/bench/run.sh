#!/usr/bin/env bash
# run.sh [OPTION...]: benchmarks echod against its peers, in interleaved rounds, and writes a report
# with plots. See --help.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=tools/bench/servers.sh
source "$here/servers.sh"
# shellcheck source=tools/bench/cells.sh
source "$here/cells.sh"
# shellcheck source=tools/bench/measure.sh
source "$here/measure.sh"

yardstick=epoll
rounds=5
seconds=2
warm_up=500 # ms
server_cpu=0
load_cpu=1
output=$root/build/release/bench
echod=$root/build/release/bin/echod
echod_options=()
wanted_cells=()
wanted_servers=()
declare -A extra=()
build=true
append=false

usage() {
	cat <<END
Usage: tools/bench/run.sh [OPTION]...
Benchmarks echod and its peers with echoload: installs and builds what is missing,
runs every server in every cell in interleaved rounds, the yardstick ($yardstick)
twice in each, and writes a report. The whole of it takes hours; --quick some
minutes.

Options:
  -q, --quick             a few cells; only echod, the yardstick and the polling
                          pair, unless --peers
  -c, --cells LIST        only these cells, comma-separated, globs such as 'ping-*-64'
  -p, --peers LIST        only these peers, comma-separated, besides the yardstick
  -r, --rounds N          rounds (default $rounds; fewer than 5 prove little)
  -s, --seconds N         seconds measured in each run (default $seconds)
      --server-cpu LIST   CPUs for the servers, as taskset takes them (default $server_cpu)
      --load-cpu LIST     CPUs for the load generator (default $load_cpu)
      --echod PATH        the echod to measure (default build/release/bin/echod)
      --echod-options STR options for it, separated by spaces
      --also NAME=COMMAND one more server; %p in COMMAND stands for the port
      --no-build          neither install nor build anything
      --append            keep the results of the last run, add to them
  -o, --output DIR        where report.md and img/ go (default build/release/bench)
      --list              print the names of all cells and servers
  -h, --help              print this help and exit

The raw results are in build/release/bench/results.jsonl; tools/bench/report.py
makes the report from them.
END
}

fail() {
	echo "run.sh: $2" >&2
	exit "$1"
}

# number OPTION VALUE
number() {
	[[ $2 =~ ^[1-9][0-9]{0,3}$ ]] || fail 2 "$1: '$2' is not a whole number from 1 to 9999"
}

quick() {
	wanted_cells+=(ping-1-64 ping-50-64 ping-1000-64 stream-1 churn-16 mixed-50)
	seconds=1
	warm_up=300
	((${#wanted_servers[@]})) || wanted_servers=(echod pingpair)
}

read_options() {
	local option list
	while (($#)); do
		option=$1
		case $option in
		-q | --quick) quick ;;
		--no-build) build=false ;;
		--append) append=true ;;
		--list) printf '%s\n' "${cells[@]}" "" "${server_names[@]}" && exit 0 ;;
		-h | --help) usage && exit 0 ;;
		-c | --cells | -p | --peers | -r | --rounds | -s | --seconds | --server-cpu | --load-cpu | --echod | \
			--echod-options | --also | -o | --output)
			(($# > 1)) || fail 2 "$option needs a value"
			list=${2//,/ }
			shift
			;;&
		-c | --cells) read -ra wanted_cells <<<"$list" ;;
		-p | --peers) read -ra wanted_servers <<<"echod $list" ;;
		-r | --rounds) number "$option" "$1" && rounds=$1 ;;
		-s | --seconds) number "$option" "$1" && seconds=$1 ;;
		--server-cpu) server_cpu=$1 ;;
		--load-cpu) load_cpu=$1 ;;
		--echod) echod=$1 ;;
		--echod-options) read -ra echod_options <<<"$1" ;;
		--also)
			[[ $1 =~ ^([A-Za-z][A-Za-z0-9_.]*)=(.*%p.*)$ ]] ||
				fail 2 "--also: '$1' is not NAME=COMMAND with %p in it"
			extra[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
			;;
		-o | --output) output=$1 ;;
		*) fail 2 "unknown option '$option', see --help" ;;
		esac
		shift
	done
}

# select_cells: keeps in `cells` those that were chosen.
select_cells() {
	((${#wanted_cells[@]})) || return 0
	local cell glob kept=()
	for cell in "${cells[@]}"; do
		for glob in "${wanted_cells[@]}"; do
			# shellcheck disable=SC2053 # it is a glob
			[[ $cell == $glob ]] && kept+=("$cell") && break
		done
	done
	((${#kept[@]})) || fail 2 "no cell is called '${wanted_cells[*]}', see --list"
	cells=("${kept[@]}")
}

check_servers() {
	local name
	for name in "${wanted_servers[@]}"; do
		[[ " ${server_names[*]} " == *" $name "* ]] || fail 2 "no peer is called '$name', see --list"
	done
}

# select_servers: leaves in `servers` those that were chosen and exist, the yardstick twice, far
# apart.
select_servers() {
	local name why others=() there=" ${server_names[*]} "
	while read -r name why; do
		there=${there/ $name / }
		record "\"absent\": \"$name\", \"why\": \"$why\"}"
	done <"$bench/absent"
	((${#wanted_servers[@]})) || wanted_servers=("${server_names[@]}")
	for name in "${wanted_servers[@]}" "${!extra[@]}"; do
		[[ $name != "$yardstick" && ($there == *" $name "* || ${extra[$name]-}) ]] && others+=("$name")
	done
	local half=$((${#others[@]} / 2))
	servers=("$yardstick" "${others[@]:0:half}" "$yardstick" "${others[@]:half}")
}

# record REST: appends an object, whose beginning it supplies, to the results.
record() {
	printf '{%s\n' "$1" >>"$results"
}

describe() {
	local commit
	commit=$(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)
	record "\"meta\": true, \"date\": \"$(date -u +'%Y-%m-%d %H:%M UTC')\", \"commit\": \"$commit\", \
\"kernel\": \"$(uname -r)\", \"cpus\": $(nproc --all), \
\"cpu\": \"$(sed -n '/^model name/{s/^[^:]*: //p;q}' /proc/cpuinfo)\", \
\"compiler\": \"$(cc --version | sed -n 1p)\", \"load_average\": \"$(cut -d ' ' -f 1-3 /proc/loadavg)\", \
\"seconds\": $seconds, \"server_cpu\": \"$server_cpu\", \"load_cpu\": \"$load_cpu\", \
\"yardstick\": \"$yardstick\", \"echod_options\": \"${echod_options[*]}\"}"
}

server_pid=

# stop_server: ends the server's process group, which is ours alone, and waits until it is gone.
stop_server() {
	[[ $server_pid ]] || return 0
	local tries=0
	kill -TERM -- "-$server_pid" 2>/dev/null || true
	while kill -0 -- "-$server_pid" 2>/dev/null && ((tries++ < 100)); do
		sleep 0.01
	done
	kill -KILL -- "-$server_pid" 2>/dev/null || true
	wait "$server_pid" 2>/dev/null || true
	server_pid=
}

clean_up() {
	stop_loads
	stop_server
}

# Each run has its own port, below those that clients get.
port=$((20000 + $$ % 5000))

start_server() {
	port=$((port < 29999 ? port + 1 : 20000))
	if [[ ${extra[$1]-} ]]; then
		read -ra command <<<"${extra[$1]//%p/$port}"
	else
		server_command "$1" "$port"
	fi
	setsid taskset -c "$server_cpu" "${command[@]}" >/dev/null 2>"$bench/server.log" </dev/null &
	server_pid=$!
}

# run_one ROUND CELL SERVER RUN: one run; its result, or why there is none, goes to the results.
run_one() {
	local why most connections load_options beside beside_options usage loads files status=0
	local head="\"round\": $1, \"cell\": \"$2\", \"server\": \"$3\", \"run\": $4"
	cell_load "$2"
	server_most "$3"
	if ((connections > most)); then
		record "$head, \"skipped\": \"more than $most connections\"}"
		return
	fi
	files=("$bench/load.json")
	((beside == 0)) || files+=("$bench/beside.json")
	rm -f "${files[@]}"
	: >"$bench/load.err"
	start_server "$3"
	measure || status=$?
	clean_up
	[[ -s ${files[0]} && -s ${files[-1]} ]] || ((status > 1)) || status=99
	# Each ends with a line }.
	if ((status < 2)) && loads=$(sed '$!s/^}$/},/' "${files[@]}" | tr -s ' \n' ' '); then
		record "$head, $usage, \"loads\": [$loads]}"
	else
		why=$(cat "$bench/load.err" "$bench/server.log" | sed -n 1p | tr -cd '[:alnum:] .,:;/()_-')
		# The same reason in every round is to be one reason.
		why=${why//$port/PORT}
		((status != 4)) || why="no echo came"
		record "$head, \"failed\": \"${why:-status $status}\"}"
	fi
}

run_all() {
	local round cell i name run total=${#servers[@]}
	for ((round = 1; round <= rounds; round++)); do
		for cell in "${cells[@]}"; do
			[[ ! -t 2 ]] || printf '\rround %d of %d: %-20s' "$round" "$rounds" "$cell" >&2
			run=0
			# Each round begins with another server, so that none is always first.
			for ((i = 0; i < total; i++)); do
				name=${servers[(i + round * 3) % total]}
				[[ $name != "$yardstick" ]] || run=$((run + 1))
				run_one "$round" "$cell" "$name" "$run"
			done
		done
	done
	[[ ! -t 2 ]] || echo >&2
}

read_options "$@"
select_cells
check_servers
bench=$root/build/release/bench
results=$bench/results.jsonl
if $build; then
	"$root/tools/install-deps.sh" build
	"$here/install.sh"
	"$here/build.sh"
fi
command -v python3 >/dev/null || fail 3 "there is no python3, which makes the report"
echoload=$root/build/release/bin/echoload
[[ -x $echoload && -x $echod ]] || fail 3 "there is no $echoload or no $echod; leave out --no-build"
taskset -c "$server_cpu,$load_cpu" true || fail 2 "CPUs '$server_cpu' and '$load_cpu' cannot be used"
$append || : >"$results"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
describe
select_servers
run_all
python3 "$here/report.py" "$results" "$output"
echo "$output/report.md"
