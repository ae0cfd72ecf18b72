#!/usr/bin/env bash
# test.sh [PRESET...]: installs what is missing, then builds and tests the presets: all tests under
# `release` (what users run), `asan` and `tsan`, and the checks (label `check`) once, under `release`.
# Exits with 0 only if all went well.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=$(nproc)
seconds_a_test=300
presets=("$@")
((${#presets[@]})) || presets=(release asan tsan)
for preset in "${presets[@]}"; do
	if [[ ! $preset =~ ^(dev|release|asan|tsan)$ ]]; then
		echo "test.sh: unknown preset '$preset': dev, release, asan or tsan" >&2
		exit 2
	fi
done

# quietly COMMAND...: shows its output only if it fails.
quietly() {
	local output
	if ! output=$("$@" 2>&1); then
		printf '%s\n' "$output"
		return 1
	fi
}

# run PRESET: leaves what became of it in `outcome`.
run() {
	outcome="does not build"
	quietly cmake --preset "$1" && quietly cmake --build --preset "$1" -- --quiet || return
	outcome="tests failed"
	ctest --preset "$1" --parallel "$jobs" --timeout "$seconds_a_test" --no-tests=error || return
	outcome="passed"
}

tools/install-deps.sh test
failed=0
summary=()
for preset in "${presets[@]}"; do
	printf '\n=== %s\n' "$preset"
	start=$SECONDS
	run "$preset" || failed=1
	summary+=("$(printf '%-8s %-15s %4d s' "$preset" "$outcome" $((SECONDS - start)))")
done

printf '\n=== summary\n'
printf '%s\n' "${summary[@]}"
if ((failed)); then
	echo "FAILED"
	exit 1
fi
echo "all well"
