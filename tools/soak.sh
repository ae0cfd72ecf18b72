#!/usr/bin/env bash
# soak.sh [ROUNDS]: tests that take too long for test.sh. Under the release preset, 64 clients echo
# 100 MiB each through 4 workers, every byte compared; newcomers are served beside 10,000 silent and
# 1,000 stuck clients; 18,000 are parked for 10 s; five million messages wait for lost wake-ups; two
# servers behind HAProxy are restarted in turn for a minute; the stress test runs for five minutes;
# 10,000 servers get signals, and 1,000 SIGKILL, at any moment; libFuzzer has an hour a parser;
# every call of the programs fails with every errno, and strace lies to the server;
# echoload verifies 10^11 bytes without a false alarm, and its verdict has to be right in 95 of 100
# calls of each scene, and wrong in none (hours). The Debian packages are installed, upgraded and
# purged in a bare Debian, if this is root. Then all unit and system tests ROUNDS times (default 5)
# under each of release, asan and tsan, two at a time, so that an unreliable test shows. Exits with
# 0 only if all went well.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
rounds=${1-5}
if [[ ! $rounds =~ ^[1-9][0-9]{0,3}$ ]]; then
	echo "soak.sh: '$rounds' is not a number of rounds from 1 to 9999" >&2
	exit 2
fi

tools/install-deps.sh test
for preset in release asan tsan; do
	cmake --preset "$preset" >/dev/null
	cmake --build --preset "$preset" >/dev/null
done

echo "=== 64 clients, 100 MiB each, 4 workers"
time ECHOD_TEST_BYTES=$((100 << 20)) timeout 1800 build/release/tests/system/system_all bulk

echo "=== 10,000 silent clients and 1,000 that never read, 4 workers"
time ECHOD_TEST_SILENT=10000 ECHOD_TEST_STUCK=1000 timeout 1800 build/release/tests/system/system_all starvation

echo "=== 18,000 parked connections for 10 s: no CPU"
time ECHOD_TEST_CROWD=18000 ECHOD_TEST_SPAN_MS=10000 timeout 1800 build/release/tests/system/system_all parking

echo "=== five million messages through 1, 2 and 3 workers"
time ECHOD_TEST_MESSAGES=5000000 timeout 1800 build/release/tests/system/system_all wakeups

echo "=== rolling restarts behind HAProxy for a minute: no errors, no wrong bytes"
time ECHOD_TEST_SPAN_MS=60000 timeout 600 build/release/tests/system/system_http rolling

echo "=== the models with larger bounds"
time tests/model/run.sh large

echo "=== five minutes of everything at once"
timeout 600 tools/stress.sh --build build/release --seconds 300

echo "=== every call fails in every way; strace lies"
time TORTURE_ALL=1 timeout 14400 build/release/tests/torture/torture_calls calls
time TORTURE_ALL=1 timeout 1800 build/release/tests/torture/torture_lies lies

echo "=== 10,000 signals and 1,000 times SIGKILL, at the start and under load"
time ECHOD_TEST_SIGNALS=10000 ECHOD_TEST_KILLS=1000 timeout 7200 build/release/tests/system/system_signals

echo "=== libFuzzer, an hour on each parser"
tests/fuzz/run.sh 3600

echo "=== 10^11 clean bytes: no false alarm"
sockets=$(mktemp -d)
build/release/bin/echod --listen "unix:$sockets/echo" --control "$sockets/control" >"$sockets/log" 2>&1 &
echod=$!
trap 'kill "$echod"; rm -r "$sockets"' EXIT
until [[ -S $sockets/control ]]; do
	kill -0 "$echod" && sleep 0.1
done
timeout 1800 build/release/bin/echoload "unix:$sockets/echo" --mode stream --connections 4 --count 1600000 \
	--allow-client-bound --expect 'bytes_verified>=97g' --expect 'faults==0' --expect 'errors==0'

echo "=== echoload's verdict, 100 calls of each scene"
time ECHOD_TEST_CALLS=100 timeout 36000 build/release/tests/system/system_verdict echoload_verdict

echo "=== the Debian packages in the life of a machine"
if ((EUID)); then
	echo "left out: only root can make such a machine"
else
	time tests/deploy/debian.sh
fi

for preset in release asan tsan; do
	echo "=== $preset, $rounds rounds"
	ctest --preset "$preset" --parallel 2 --timeout 300 --label-regex 'unit|system' \
		--repeat "until-fail:$rounds" --no-tests=error
done
echo "all well"
