#!/usr/bin/env bash
# soak.sh [ROUNDS]: what takes too long for test.sh. Under the release preset, 64 clients echo 100 MiB each through 4
# workers, every byte compared; newcomers are served beside 10,000 silent and 1,000 stuck clients; 18,000 are parked for
# 10 s; five million messages wait for lost wake-ups. Then all unit and system tests ROUNDS times (default 5) under each of release, asan and tsan,
# two at a time, so that a test that flakes shows. Exits with 0 only if all went well.
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
time ECHOD_TEST_BYTES=$((100 << 20)) timeout 1800 build/release/tests/system/system_bulk

echo "=== 10,000 silent clients and 1,000 that never read, 4 workers"
time ECHOD_TEST_SILENT=10000 ECHOD_TEST_STUCK=1000 timeout 1800 build/release/tests/system/system_starvation

echo "=== 18,000 parked connections for 10 s: no CPU"
time ECHOD_TEST_CROWD=18000 ECHOD_TEST_SPAN_MS=10000 timeout 1800 build/release/tests/system/system_parking

echo "=== five million messages through 1, 2 and 3 workers"
time ECHOD_TEST_MESSAGES=5000000 timeout 1800 build/release/tests/system/system_wakeups

for preset in release asan tsan; do
	echo "=== $preset, $rounds rounds"
	ctest --preset "$preset" --parallel 2 --timeout 300 --label-regex 'unit|system' \
		--repeat "until-fail:$rounds" --no-tests=error
done
echo "all well"
