#!/usr/bin/env bash
# stress.sh [OPTION...]: every mode of echoload at once against one echod, with faulty clients among
# them. See --help.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
seconds=180
rounds=1
seed=$((RANDOM * 32768 + RANDOM))
build=
abuse=false
echod_options=()
warm_up=0     # until the honest clients are connected
extra_time=120 # for messages on their way, and for slow machines
declare -A pid=()
failed=0

usage() {
	cat <<END
Usage: tools/stress.sh [OPTION]...
Stresses one echod: echoload in every mode at once, faulty clients of every kind
among them, questions to the control socket all along. Each byte is verified;
the laws of the counters must hold all the time, and at the end all that echod
held for its clients must have been given back.

Options:
  -s, --seconds N          how long, 15 to 86400 (default $seconds)
      --rounds N           as often, with a rest after each, 1 to 10000 (default 1)
      --state FILE         how much memory is resident at each rest is added to
                           FILE, and must not grow, which 12 rounds may show;
                           those in FILE count, so the same command goes on
                           after an interruption
      --seed N             what the clients do is drawn from it (default random)
      --abuse              few honest clients among the faulty ones, at a fixed
                           rate, the same beside them at an echod of their own;
                           their p99 must be below 20 ms, unless even there it
                           is above a third of that
      --build DIR          test what is built there (default build/release,
                           which is brought up to date)
      --echod-options STR  more options for echod, separated by spaces; its
                           time-outs stay as they are here
  -h, --help               print this help and exit

Exit status: 0 all is well, 1 something is not, 2 wrong usage.
END
}

fail() {
	echo "stress.sh: $2" >&2
	exit "$1"
}

# number OPTION VALUE LEAST MOST
number() {
	if [[ ! $2 =~ ^[0-9]{1,10}$ ]] || ((10#$2 < $3 || 10#$2 > $4)); then
		fail 2 "$1: '$2' is not a whole number from $3 to $4"
	fi
}

read_options() {
	local option more
	while (($#)); do
		option=$1
		case $option in
		-h | --help) usage && exit 0 ;;
		--abuse) abuse=true && warm_up=3 && shift && continue ;;
		-s | --seconds | --rounds | --state | --seed | --build | --echod-options) (($# > 1)) || fail 2 "$option needs a value" ;;
		*) fail 2 "unknown option '$option' (see --help)" ;;
		esac
		case $option in
		-s | --seconds) number "$option" "$2" 15 86400 && seconds=$((10#$2)) ;;
		--seed) number "$option" "$2" 0 4294967295 && seed=$((10#$2)) ;;
		--rounds) number "$option" "$2" 1 10000 && rounds=$((10#$2)) ;;
		--state) export ECHOD_TEST_STATE=$2 && echod_options+=(--max-connections 4000 --buffer-size 16k) ;;
		--build) build=$2 ;;
		--echod-options) read -r -a more <<<"$2" && echod_options+=("${more[@]}") ;;
		esac
		shift 2
	done
}

build_release() {
	cd "$root"
	tools/install-deps.sh test && cmake --preset release && cmake --build --preset release -- --quiet
}

prepare() {
	local program output
	if [[ -z $build ]]; then
		build=$root/build/release
		output=$(build_release 2>&1) || fail 1 "the build failed:"$'\n'"$output"
	fi
	for program in bin/echod bin/echoctl bin/echoload tests/support/law_watcher tests/stress/stress_judge tests/stress/stress_faulty; do
		[[ -x $build/$program ]] || fail 2 "there is no $build/$program (--build names a folder that is built)"
	done
}

# start NAME COMMAND...: in the background. It ends with this script, however that ends.
start() {
	local name=$1
	shift
	setpriv --pdeathsig TERM "$@" >"$place/$name.out" 2>"$place/$name.err" &
	pid[$name]=$!
}

# start_bounded NAME COMMAND...
start_bounded() {
	start "$1" timeout --kill-after 5 $((seconds + extra_time)) "${@:2}"
}

# await NAME: waits for its end. Leaves its exit status in `status`.
await() {
	status=0
	wait "${pid[$1]}" || status=$?
	unset "pid[$1]"
}

# account NAME: says how it ended, and after a failure, what it wrote that is not in the summary.
account() {
	local written=("$place/$1.err")
	[[ $1 =~ ^(judge|faulty)$ ]] || written+=("$place/$1.out")
	if ((status == 0)); then
		((rounds > 1)) || printf '%-24s ok\n' "$1"
	else
		printf '%-24s FAILED, exit status %d\n' "$1" "$status"
		grep -hvE "^[0-9-]{10}T[^ ]* (info|warning) " "${written[@]}" | tail -n 40
		failed=1
	fi
}

# shellcheck disable=SC2317 # called by the trap
clean_up() {
	local name
	for name in "${!pid[@]}"; do
		kill -TERM "${pid[$name]}" 2>/dev/null || true
	done
	# The judge would go on to judge; without it, the server ends too.
	[[ -z ${pid[judge]-} ]] || kill -KILL "${pid[judge]}" 2>/dev/null || true
	wait
	rm -rf "$place"
}

# Workers that must park and queue, and time-outs that healthy clients stay far from.
start_echod() {
	start judge "$build/tests/stress/stress_judge" "$place/runs" $((rounds * (seconds + extra_time) + extra_time)) \
		--workers 4 --unsent-limit 4m "${echod_options[@]}" --idle-timeout 6s --send-timeout 4s \
		--listen 127.0.0.1:0 --listen '[::1]:0' --listen "unix:$place/echo" --faulty 127.0.0.1:0=reset,p=0 \
		--http 127.0.0.1:0 --control "$place/control"
	for ((i = 0; i < 600; i++)); do
		[[ $(wc -l <"$place/judge.out") -gt 0 ]] && break
		[[ -d /proc/${pid[judge]} ]] || break
		sleep 0.1
	done
	if ! read -r echod control http v4 v6 local flawed <"$place/judge.out"; then
		await judge
		account judge
		exit 1
	fi
	printf 'echod %d at %s, %s, %s; http %s; faulty %s\n' "$echod" "$v4" "$v6" "$local" "$http" "$flawed"
}

loads=()

# load NAME ARGUMENT...: a run of echoload for the whole time.
load() {
	loads+=("$1")
	start_bounded "$1" "$build/bin/echoload" "${@:2}" --duration "${seconds}s" --timeout 30s \
		--run $((seed + ${#loads[@]})) --expect 'errors==0' --expect 'faults==0' --allow-client-bound \
		--json "$place/runs/$1.json"
}

open_loop=(--expect 'unanswered>=0') # no rate has to be met

start_honest() {
	local quiet honest=(--connections 48 --rate 1000 --size 1..4k --warmup "${warm_up}s" "${open_loop[@]}")
	[[ -n ${pid[quiet]-} ]] || start quiet "$build/bin/echod" --listen 127.0.0.1:0 --listen '[::1]:0' --listen "unix:$place/quiet" --control none
	until [[ $(grep -sc listening "$place/quiet.out") == 3 ]]; do
		[[ -d /proc/${pid[quiet]} ]] || fail 1 "the second echod does not start: $(<"$place/quiet.err")"
		sleep 0.1
	done
	mapfile -t quiet < <(sed 's/listening on //' "$place/quiet.out")
	load honest "$v4" "$v6" "$local" "${honest[@]}"
	load alone "${quiet[@]}" "${honest[@]}"
	load idle "$v4" "$v6" "$local" --mode idle --connections 500 --rate 200 "${open_loop[@]}"
}

start_loads() {
	load ping "$v4" --connections 32 --size 1..64k
	load ping-poisson "$v4" --connections 32 --rate 500 --arrival poisson --size 1..64k --control "$control" \
		"${open_loop[@]}"
	load ping-pipeline "$v4" --connections 8 --pipeline 32 --size 64:9,1..4k:1
	load ping-threads "$v4" "$v6" "$local" --connections 64 --threads 2
	load stream "$v4" --mode stream --connections 4
	load stream-unix "$local" --mode stream --connections 2
	load churn "$v4" --mode churn --linger rst --connections 16 --visit 3 --source 127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5
	load churn-unix "$local" --mode churn --connections 4
	load half-close "$v4" --mode half-close --connections 8 --visit 256k
	load half-close-v6 "$v6" --mode half-close --connections 4
	load idle "$v4" "$v6" "$local" --mode idle --connections 300 --rate 300 "${open_loop[@]}"
}

watchers=(stats connections workers)

start_watchers() {
	local what
	for what in "${watchers[@]}"; do
		start_bounded "echoctl-$what" "$build/bin/echoctl" --control "$control" --timeout 30s --watch 200ms "$what"
	done
}

end_watchers() {
	local what
	for what in "${watchers[@]}"; do
		kill -TERM "${pid["echoctl-$what"]}" 2>/dev/null || true
		await "echoctl-$what"
		((status)) || [[ -s $place/echoctl-$what.out ]] || status=1
		account "echoctl-$what"
	done
}

# rest: the end of a round, which the judge judges.
rest() {
	local before
	before=$(grep -c 'end of the round' "$place/judge.out" || true)
	kill -USR1 "${pid[judge]}" 2>/dev/null || return 1
	while [[ $(grep -c 'end of the round' "$place/judge.out") == "$before" ]]; do
		[[ -d /proc/${pid[judge]} ]] || return 1
		sleep 0.1
	done
}

play_round() {
	local abused=0
	! $abuse || abused=$echod
	start_bounded faulty "$build/tests/stress/stress_faulty" $((seconds + warm_up)) "$seed" "$abused" "$control" "$http" "$flawed" \
		"$v4" "$v6" "$local"
	start_watchers
	loads=()
	if $abuse; then start_honest; else start_loads; fi
	for name in "${loads[@]}" faulty; do
		await "$name"
		account "$name"
	done
	end_watchers
	rest || failed=1
}

read_options "$@"
prepare
[[ ! -s ${ECHOD_TEST_STATE-} ]] || rounds=$((rounds - $(wc -l <"$ECHOD_TEST_STATE")))
((rounds > 0)) || rounds=1
place=$(mktemp -d /tmp/stress.XXXXXX)
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir "$place/runs"

printf 'stress: %d s, seed %d\n' "$seconds" "$seed"
start_echod
for ((round = 1; round <= rounds && !failed; round++)); do
	play_round
	seed=$((seed + 1))
done
kill -TERM "${pid[judge]}" 2>/dev/null || true
await judge
account judge

echo
echo "summary"
sort "$place/faulty.out"
sed 1d "$place/judge.out"
if ((failed)); then
	echo "FAILED (seed $((seed - 1)))"
	exit 1
fi
echo "all well"
