#!/usr/bin/env bash
# soak.sh [PART...]: tests that take too long for test.sh, all of them or the parts that are named.
# It builds what they need, goes on after a part that fails, and exits with 0 only if all went well.
#
#   bulk         64 clients echo 100 MiB each through 4 workers; every byte is compared
#   crowd        newcomers beside 10,000 silent and 1,000 stuck clients; 18,000 are parked for 10 s
#   wakeups      five million messages, of which none may wait for a lost wake-up
#   rolling      two servers behind HAProxy are restarted in turn for a minute
#   models       the models with larger bounds
#   stress       everything at once for five minutes
#   torture      every call fails with every errno; strace lies to the server (hours)
#   signals      10,000 signals and 1,000 times SIGKILL, at the start and under load
#   fuzz         libFuzzer, an hour on each parser
#   bytes        10^12 bytes verified by echoload
#   churn        10^7 connections, of which nothing may be left
#   abuse        two hours of abuse; honest clients are served, memory does not grow; goes on where
#                it was interrupted
#   worlds       a bad network, a clock that jumps, 100,000 connections, one version of IP (UML)
#   machines     the unit tests for aarch64, armhf and s390x (qemu-user)
#   verdict      echoload's verdict, 100 calls of each scene (hours)
#   debian       the packages in the life of a machine; only root can make one
#   release, asan, tsan
#                all unit and system tests under that preset, $ROUNDS times (default 5), two at a
#                time, so that an unreliable test shows
set -euo pipefail

if [[ ${1-} =~ ^(-h|--help)$ ]]; then
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
	exit
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
all=(bulk crowd wakeups rolling models stress torture signals fuzz bytes churn abuse worlds machines verdict debian
	release asan tsan)
tests=build/release/tests

part() {
	case $1 in
	bulk) ECHOD_TEST_BYTES=$((100 << 20)) timeout 1800 "$tests/system/system_all" bulk ;;
	crowd)
		ECHOD_TEST_SILENT=10000 ECHOD_TEST_STUCK=1000 timeout 1800 "$tests/system/system_all" starvation &&
			ECHOD_TEST_CROWD=18000 ECHOD_TEST_SPAN_MS=10000 timeout 1800 "$tests/system/system_all" parking
		;;
	wakeups) ECHOD_TEST_MESSAGES=5000000 timeout 1800 "$tests/system/system_all" wakeups ;;
	rolling) ECHOD_TEST_SPAN_MS=60000 timeout 600 "$tests/system/system_http" rolling ;;
	models) tests/model/run.sh large ;;
	stress) timeout 600 tools/stress.sh --build build/release --seconds 300 ;;
	torture)
		TORTURE_ALL=1 timeout 14400 "$tests/torture/torture_calls" calls &&
			TORTURE_ALL=1 timeout 1800 "$tests/torture/torture_lies" lies
		;;
	signals) ECHOD_TEST_SIGNALS=10000 ECHOD_TEST_KILLS=1000 timeout 7200 "$tests/system/system_signals" ;;
	fuzz) tests/fuzz/run.sh 3600 ;;
	bytes) ECHOD_TEST_VERIFIED=1000000000000 timeout 36000 "$tests/system/system_all" bulk verified ;;
	churn) ECHOD_TEST_CONNECTIONS=10000000 timeout 36000 "$tests/system/system_all" churn ;;
	abuse)
		timeout 14400 tools/stress.sh --build build/release --abuse --seconds 60 --rounds 114 --state build/soak-memory &&
			rm build/soak-memory
		;;
	worlds) tests/worlds/run.sh build/release ;;
	machines) tests/machines/run.sh ;;
	verdict) ECHOD_TEST_CALLS=100 timeout 36000 "$tests/system/system_verdict" echoload_verdict ;;
	debian) tests/deploy/debian.sh ;;
	release | asan | tsan)
		cmake --preset "$1" >/dev/null && cmake --build --preset "$1" >/dev/null &&
			ctest --preset "$1" --parallel 2 --timeout 300 --label-regex 'unit|system' \
				--repeat "until-fail:${ROUNDS:-5}" --no-tests=error
		;;
	esac
}

parts=("$@")
((${#parts[@]})) || parts=("${all[@]}")
for name in "${parts[@]}"; do
	if [[ " ${all[*]} " != *" $name "* ]]; then
		echo "soak.sh: unknown part '$name': ${all[*]}" >&2
		exit 2
	fi
done
tools/install-deps.sh soak
cmake --preset release >/dev/null
cmake --build --preset release >/dev/null

failed=()
for name in "${parts[@]}"; do
	printf '\n=== %s\n' "$name"
	time part "$name" || failed+=("$name")
done
if ((${#failed[@]})); then
	echo "FAILED: ${failed[*]}"
	exit 1
fi
echo "all well"
