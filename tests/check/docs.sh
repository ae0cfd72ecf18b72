#!/usr/bin/env bash
# The documents say what the programs do: counters, options, commands, events of the log, names of
# tests; their links lead somewhere, and their lines fit 100 columns.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

# A counter's row in docs/counters.md is | `its_name` | unit | help |.
declared=$(
	{
		echo '#define COUNTER(name, unit, help) @ name unit help'
		echo '#define GAUGE(name, unit, help) @ name unit help'
		echo '#define HISTOGRAM(name, help) @ name SECONDS help'
		echo '#define LISTENER(name, unit, help) @ name unit help'
		cat src/stats/counters.def
	} | cc -E -P - | sed -nE 's/^ *@ ([a-z0-9_]+) ([A-Z]+) "(.*)"$/\1 \L\2\E \3/p' | sed -E 's/^([a-z0-9_]+) count /\1 /'
)
described=$(
	sed -nE "s/^\\| *\`([a-z0-9_]+)\` *\\| *([a-z]*) *\\| *(.*[^ ]) *\\|$/\\1 \\2 \\3/p" docs/counters.md |
		tr -s ' ' | tr -d '\`'
) || true
[[ -n $declared ]] || problem "src/stats/counters.def declares no counter"
same "$declared" "$described" \
	"src/stats/counters.def (<) and the tables in docs/counters.md (>) differ:"

tools/options.sh --check "$build/bin/echod" ||
	problem "docs/options.md (<) and echod --help (>) differ: run tools/options.sh $build/bin/echod"

# A command's row in docs/control-protocol.md begins with | `its_name ARGUMENT` |.
declared=$(sed -nE 's/^COMMAND\(([a-z]+),.*/\1/p' src/control/commands.def) || true
described=$(sed -nE "/^## Commands/,/^## JSON/s/^\\| *\`([a-z]+)[^|]*\|.*/\\1/p" docs/control-protocol.md) || true
[[ -n $declared ]] || problem "src/control/commands.def declares no command"
same "$declared" "$described" \
	"src/control/commands.def (<) and the table in docs/control-protocol.md (>) differ:"

# An event's row in docs/log.md begins with | `its_name` |.
logged=$(
	cat src/*/*.[ch] | tr '\n' ' ' |
		grep -oE '(log_write\([^"{]*|COMPLAINT\([A-Za-z_]+, |\.event = )"[a-z_]+"' | grep -oE '[a-z_]+"$' | tr -d '"'
)
described=$(sed -nE "s/^\\| *\`([a-z_]+)\` *\\|.*/\\1/p" docs/log.md) || true
[[ -n $logged ]] || problem "src logs no event"
same "$logged" "$described" "the events in src (<) and the table in docs/log.md (>) differ:"

# docs/testing.md names tests as ctest does: unit.turn is tests/unit/test_turn.c, check.docs
# tests/check/docs.sh, or what the CMakeLists.txt there calls so.
while read -r name; do
	file=tests/${name/./\/test_}.c
	[[ $name != check.* ]] || file=tests/${name/./\/}.sh
	[[ -e $file ]] || grep -qs "NAME $name " tests/check/CMakeLists.txt || problem "docs/testing.md: there is no $file"
done < <(grep -oE '\b(unit|system|torture|check)\.[a-z0-9_]+\b' docs/testing.md)

if wide=$(grep -nHE '.{101}' README.md docs/*.md docs/man/*.h2m tools/*/*/*.md); then
	problem "beyond 100 columns: $wide"
fi

links=0
while IFS=: read -r file target; do
	links=$((links + 1))
	target=${target#']('}
	target=${target%')'}
	[[ -e $(dirname "$file")/${target%%#*} ]] || problem "$file: there is no '$target'"
done < <(grep -oHE '\]\([^)#:]+(#[^)]*)?\)' ./*.md docs/*.md)
finish "$links" "links"
