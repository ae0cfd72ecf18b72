#!/usr/bin/env bash
# options.sh [--check] ECHOD: writes the options that `ECHOD --help` lists into docs/options.md,
# between its two markers; with --check it only says whether they are there.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
page=docs/options.md
begin="<!-- from echod --help by tools/options.sh: begin -->"
end="<!-- end -->"

check=false
if [[ ${1-} == --check ]]; then
	check=true
	shift
fi
if (($# != 1)); then
	echo "usage: options.sh [--check] ECHOD" >&2
	exit 2
fi

# An option begins with two spaces and its name; its help stands in the 30th column.
list() {
	"$1" --help | awk '
		function flush(    words, count, i, line) {
			if (!name) return
			count = split(help, words, " ")
			line = "- **`" name "`**:"
			for (i = 1; i <= count; i++) {
				if (words[i] ~ /[*$]/) gsub(/[^,]+/, "`&`", words[i])
				if (length(line) + length(words[i]) >= 100) { print line; line = " " }
				line = line " " words[i]
			}
			print line
			name = help = ""
		}
		/^  (-.,|   ) --/ {
			flush()
			name = substr($0, 3)
			if (match(name, /   *[a-z]/) && RSTART > 8) {
				help = substr(name, RSTART)
				name = substr(name, 1, RSTART - 1)
			}
			gsub(/^ +| +$/, "", name)
			next
		}
		/^ / { help = help " " $0; next }
		{ flush() }
	'
}

written=$(awk -v begin="$begin" -v end="$end" -v list="$(list "$1")" '
	$0 == begin { print; print list; skip = 1 }
	$0 == end { skip = 0 }
	!skip' "$page")
if $check; then
	diff "$page" - <<<"$written" || exit 1
else
	printf '%s\n' "$written" >"$page"
fi
