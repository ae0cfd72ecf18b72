#!/usr/bin/env bash
# checks.sh SOURCE BUILD [PART PARTS]: the checks notice, all of it or one part of so many. Each
# fails when it finds nothing to check, and in a copy of the sources with one place that is wrong.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

here=$root/tests/check
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

part=${3-0} parts=${4-1}
given=0 count=0

# fails CHECK SOURCE BUILD WHY: with its own words, and not because of a script that is broken.
fails() {
	given=$((given + 1))
	((given % parts == part)) || return 0
	count=$((count + 1))
	if "$here/$1.sh" "$2" "$3" >"$work/log" 2>&1; then
		problem "check.$1 does not notice: $4"
	elif grep -qE '(syntax error|unbound variable|command not found)' "$work/log"; then
		problem "check.$1 breaks over: $4: $(cat "$work/log")"
	fi
}

mkdir -p "$work"/nothing/{docs,include/echod,src,tests/check,tools} "$work/unbuilt"
touch "$work"/nothing/{CMakeLists.txt,README.md,src/CMakeLists.txt,docs/counters.md,docs/library.md}
for script in "$here"/*.sh; do
	check=$(basename "$script" .sh)
	[[ ! $check =~ ^(common|checks)$ ]] || continue
	fails "$check" "$work/nothing" "$work/unbuilt" "nothing is there"
done

# CHECK FILE SED: one place that is wrong.
faults=(
	"format src/base/error.c s/^\treturn/return/"
	"alerts tools/deploy/prometheus/echod.rules.yml s/summary:/summery:/"
	"alerts tools/deploy/prometheus/echod.rules.yml s/for:.2m/for:\x203m/"
	"layers src/CMakeLists.txt s/set(library_sources/set(sources/"
	"layers src/CMakeLists.txt s,base/clock.c,server/clock.c,"
	"layers src/base/error.c 1i#include\"pool/pool.h\""
	"layers tools/echoload/load/engine.c 1i#include\"echoload/run/run.h\""
	"length src/base/error.c 1{:1;s/^/\n/;/\n\{401\}/!b1}"
	"length tools/run.sh 2{:1;s/$/x/;/.\{101\}/!b1}"
	"debian tools/deploy/debian/changelog s/0.1.0/0.2.0/"
	"docs docs/counters.md s/bytes.received.from.clients/bytes/"
	"docs src/stats/counters.def s/^COUNTER(accept/COUNTER(reject/"
	"docs src/stats/counters.def s/^[A-Z]/_&/"
	"docs docs/counters.md s/^|/!/"
	"docs docs/log.md s/^|/!/"
	"docs src/control/commands.def s/^COMMAND(ping/COMMAND(pong/"
	"docs src/server/service.c s/\"closed\"/\"ended\"/"
	"docs docs/options.md s/--workers/--walkers/"
	"docs README.md s,](docs/testing.md),](docs/trying.md),"
	"docs docs/testing.md s/unit\.units/unit.union/"
	"holes tests/holes/mistakes.txt s/^-/-x/"
	"mcdc tests/mcdc/reasons.txt s/:.never/x&/"
	"kubernetes tools/deploy/kubernetes/echod.yaml s/readinessProbe/readynessProbe/"
	"kubernetes tools/deploy/kubernetes/echod.yaml s/PeriodSeconds:.45/PeriodSeconds:\x2044/"
	"docs docs/log.md 1{:1;s/$/x/;/.\{101\}/!b1}"
	"numbers src/base/error.c \$achar*number=\"%.2f\";"
	"server tools/install-deps.sh s/^server=(/&help2man=help2man/"
	"server CMakePresets.json s/\"ECHOD_TESTS\".*,//"
	"shellcheck tools/run.sh s/^set.-euo.pipefail//"
	"shellcheck tools/run.sh \$aecho\\\$root"
	"symbols include/echod/echod.h s/echod_start(/echod_begin(/"
	"symbols include/echod/echod.h s/visibility/visible/"
)
cp -r CMakeLists.txt CMakePresets.json README.md LICENSE .clang-format .clang-tidy docs include src tests tools "$work/nothing"
for fault in "${faults[@]}"; do
	read -r check file edit <<<"$fault"
	cp -p "$work/nothing/$file" "$work/whole"
	sed -i "$edit" "$work/nothing/$file"
	! cmp -s "$work/nothing/$file" "$work/whole" || problem "no fault: $fault"
	tree=$work/nothing
	if [[ $check == shellcheck ]]; then # which looks at each file alone, for long
		tree=$work/alone
		install -D "$work/nothing/$file" "$tree/$file"
	fi
	fails "$check" "$tree" "$build" "$fault"
	cp -p "$work/whole" "$work/nothing/$file"
done

# What goes through a compiler's eyes, in a file of its own.
echo '#include <stdlib.h>
int f(int n);
int f(int n) { char *p = malloc(1); if (n) { return p[5]; } return n / 0; }' >"$work/f.c"
cp .clang-tidy "$work"
for check in cppcheck tidy; do
	echo "[{\"directory\": \"$work\", \"command\": \"cc -c f.c\", \"file\": \"$work/f.c\"}]" >"$work/compile_commands.json"
	fails "$check" "$root" "$work" "a division by zero"
done
finish "$count" "faults"
