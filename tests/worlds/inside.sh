#!/usr/bin/env bash
# The first process of the machines that run.sh makes. The kernel gives it $world and $bin. It
# prints `ok` or `not ok` for each fact, and at last `the end`.
set -euo pipefail

export PATH=${bin:?}:/usr/sbin:/usr/bin:/sbin:/bin
trap '/sbin/poweroff -f >/dev/null 2>&1' EXIT # also after an error
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
cd /run
ip link set lo up
printf '%s localhost\n' 127.0.0.1 ::1 >/run/hosts
mount --bind /run/hosts /etc/hosts
sysctl -qw fs.nr_open=1100000 net.core.somaxconn=4096
ulimit -n 1050000

# fact TEXT COMMAND...
fact() {
	if "${@:2}" >/run/said 2>&1; then
		echo "ok $1"
	else
		echo "not ok $1"
		sed 's/^/    /' /run/said
	fi
}

# module NAME: of the kernel, with those that it needs.
module() {
	mkdir -p /run/lib
	ln -sfn /usr/lib/uml/modules /run/lib/modules
	modprobe -d /run "$1"
}

# start [OPTION...]: echod, which listens then.
start() {
	echod "$@" >/run/log 2>&1 &
	echod=$!
	for ((i = 0; i < 300; i++)); do
		! echoctl ready >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	echo "not ok echod does not start: $(tail -n 2 /run/log)"
	return 1
}

# ends: echod by SIGTERM, with status 0.
ends() {
	kill "$echod"
	wait "$echod"
}

# counter NAME
counter() {
	echoctl stats | awk -v name="$1" '$1 == name { print $2 }'
}

# is NAME VALUE: that counter is, within 60 s.
is() {
	local i
	for ((i = 0; i < 600; i++)); do
		[[ $(counter "$1") != "$2" ]] || return 0
		sleep 0.1
	done
	echo "$1 is $(counter "$1"), not $2"
	return 1
}

# from RESULT MEMBER: of echoload's --json.
from() {
	python3 -c 'import json, sys
value = json.load(open(sys.argv[1]))
for name in sys.argv[2].split("."):
    value = value[name]
print(value)' "$1" "$2"
}

# load [OPTION...]: every echo came and was right; the times are not judged.
load() {
	echoload --allow-client-bound --no-experiment --timeout 60s --json /run/result.json "$@" \
		--expect 'faults==0' --expect 'errors==0' || (($? == 4))
}

# echoes ADDRESS...: it does.
echoes() {
	local said
	said=$(echocat --message hello "$@")
	echo "$said"
	[[ $said == "Received 'hello'" ]]
}

# refused LINES COMMAND...: it ends with 3, and says why in so many lines.
refused() {
	local status=0
	timeout 20 "${@:2}" >/run/refused 2>&1 || status=$?
	cat /run/refused
	[[ $status == 3 && $(wc -l </run/refused) == "$1" ]]
}

lossy() {
	module sch_netem
	tc qdisc add dev lo root netem delay 10ms 3ms loss 3% duplicate 1% reorder 5%
	start
	for mode in ping stream half-close churn; do
		fact "$mode: every byte is right, in order" load --mode "$mode" -c 20 -d 15s
		echo "# $(from /run/result.json bytes_verified) bytes verified"
	done
	local lost
	lost=$(tc -s qdisc show dev lo | sed -n 's/.*(dropped \([0-9]*\).*/\1/p')
	fact "packets were lost: $lost" test "$lost" -gt 100
	fact "echod ends in order" ends
}

# jump DAYS: of the wall clock.
jump() {
	date -s "$1 day" >/dev/null
}

clock() {
	start --idle-timeout 40s --log-level debug --log-format json
	load -c 20 -d 24s >/run/load 2>&1 &
	local load=$!
	local day
	for day in +1 -1 -1 +1 +1; do
		sleep 4
		jump "$day"
	done
	fact "every byte is right while the clock jumps" wait "$load"
	fact "no time-out came" is connections_closed_idle 0
	fact "no latency of a day" test "$(from /run/result.json latency_ns.max)" -lt 20000000000
	fact "times of the log do jump" test "$(grep -oE '"time": ?"[0-9-]+' /run/log | sort -u | wc -l)" -ge 3
	echocat --message one >/dev/null # and leaves
	exec 9<>/dev/tcp/127.0.0.1/65432
	local begun
	begun=$(cut -d. -f1 /proc/uptime)
	jump +1
	sleep 20
	fact "a connection is open after a day of 20 s" is connections_closed_idle 0
	jump -1
	fact "it is closed when it was idle for the time it may" is connections_closed_idle 1
	local took=$(($(cut -d. -f1 /proc/uptime) - begun))
	fact "that is 40 s (it took $took)" test "$took" -ge 39 -a "$took" -le 60
	fact "echod ends in order" ends
}

crowd() {
	local sources=127.0.0.2 i
	for ((i = 3; i <= 9; i++)); do
		sources+=,127.0.0.$i
	done
	sysctl -qw net.ipv4.ip_local_port_range="10000 60999"
	start --max-connections 200000 --ledger 0
	local before
	before=$(awk '/VmRSS/ { print $2 }' "/proc/$echod/status")
	load --mode idle -c 100000 --source "$sources" --rate 50 --count 1000 --ramp 100s --expect 'messages==1000' \
		>/run/load 2>&1 &
	local load=$! begun=$SECONDS
	for ((i = 0; i < 400; i++)); do
		[[ $(counter connections_parked) != 100000 ]] || break
		sleep 2
	done
	fact "100,000 connections are parked at once" test "$(counter connections_parked)" == 100000
	local memory
	memory=$(awk '/VmRSS/ { print $2 }' "/proc/$echod/status")
	echo "# after $((SECONDS - begun)) s, $(((memory - before) * 1024 / 100000)) bytes of memory for each"
	fact "1,000 of them echo, every byte right, without an error" wait "$load"
	grep -E 'throughput|closed loop|open loop' /run/load | sed 's/^/# /'
	fact "all leave" is connections_open 0
	fact "echod ends in order" ends
}

ipv6() {
	module ipv6
	ip address del 127.0.0.1/8 dev lo
	fact "the default address is refused in a line" refused 1 echod
	start --listen '[::1]:7'
	fact "echoes over ::1" echoes ::1 7
	fact "a load over ::1" load '[::1]:7' -c 10 -d 3s
	fact "echod ends in order" ends
	start --listen '*:7'
	fact "'*' is reached over ::1" echoes ::1 7
	fact "a name with both is reached" echoes localhost 7
	fact "echod ends in order" ends
	start --listen localhost:7
	fact "'localhost' is what there is of it" echoes localhost 7
	fact "echod ends in order" ends
}

ipv4() {
	[[ ! -e /proc/net/if_inet6 ]]
	fact "an address of IPv6 is refused in a line" refused 1 echod --listen '[::1]:7'
	local address
	for address in 127.0.0.1:7 '*:7' localhost:7; do
		start --listen "$address"
		fact "$address: echoes" echoes localhost 7
		fact "$address: a load" load localhost:7 -c 10 -d 3s
		fact "echod ends in order" ends
	done
}

"${world:?}"
echo "the end"
