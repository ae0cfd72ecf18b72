#!/usr/bin/env bash
# test.sh [--no-install] [PRESET...]: installs what is missing, then builds and tests the presets:
# all tests under `release` (what users run), `clang` (AddressSanitizer and
# UndefinedBehaviorSanitizer by clang) and `tsan`, and the checks (label `check`) once, under
# `release`. Exits with 0 only if all went well. CC=COMPILER uses another compiler than cc.
set -euo pipefail

if [[ ${1-} =~ ^(-h|--help)$ ]]; then
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
	exit
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=$((3 * $(nproc))) # as most tests wait; tests/CMakeLists.txt sees to those that do not
seconds_a_test=300
slowest=5 # that are listed for each preset
install=true
if [[ ${1-} == --no-install ]]; then
	install=false
	shift
fi
presets=("$@")
((${#presets[@]})) || presets=(release clang tsan)
for preset in "${presets[@]}"; do
	if [[ ! $preset =~ ^(dev|release|asan|clang|tsan)$ ]]; then
		echo "test.sh: unknown preset '$preset': dev, release, asan, clang or tsan" >&2
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

# forget_compiler PRESET: if it was configured for another compiler than $CC, configures it again.
forget_compiler() {
	local cache=build/$1/CMakeCache.txt
	[[ -n ${CC-} && $1 != clang && -f $cache ]] || return 0
	grep -qE "^CMAKE_C_COMPILER:[A-Z]+=$(command -v "$CC")\$" "$cache" || rm -r "$cache" "build/$1/CMakeFiles"
}

# run PRESET: leaves its outcome in `outcome`.
run() {
	outcome="does not build"
	forget_compiler "$1"
	quietly cmake --preset "$1" && quietly cmake --build --preset "$1" -- --quiet || return
	outcome="tests failed"
	ctest --preset "$1" --parallel "$jobs" --timeout "$seconds_a_test" --no-tests=error || return
	outcome="passed"
}

# list_slowest PRESET: seconds and names, from what ctest keeps of each test's last run.
list_slowest() {
	awk '$2 > 0 && NF == 3 { printf "  %6.1f s  %s\n", $3, $1 }' "build/$1/Testing/Temporary/CTestCostData.txt" |
		sort -rn | sed -n "1,${slowest}p"
}

! $install || tools/install-deps.sh test
failed=0
summary=()
for preset in "${presets[@]}"; do
	printf '\n=== %s\n' "$preset"
	start=$SECONDS
	run "$preset" || failed=1
	summary+=("$(printf '%-8s %-15s %4d s' "$preset" "$outcome" $((SECONDS - start)))" "$(list_slowest "$preset")")
done

printf '\n=== summary\n'
printf '%s\n' "${summary[@]}"
if ((failed)); then
	echo "FAILED"
	exit 1
fi
echo "all well"
