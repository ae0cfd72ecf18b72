#!/usr/bin/env bash
# tidy.sh SOURCE BUILD [PART PARTS]: clang-tidy, as .clang-tidy asks for, over every C file that is compiled, or over
# one part of so many; among other things a function has at most 60 lines.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

database=$(mktemp -d)
trap 'rm -rf "$database"' EXIT
# Each file once, however many programs it is compiled for. Without a flag of gcc's that clang 14 wants a second
# one for, and without -Werror: clang's own warnings, which differ from gcc's, are not asked for.
python3 - "$build" "$database" <<'END'
import json, sys

with open(sys.argv[1] + "/compile_commands.json") as given:
    once = {entry["file"]: entry for entry in json.load(given)}
for entry in once.values():
    for flag in " -ftrivial-auto-var-init=zero", " -Werror":
        entry["command"] = entry["command"].replace(flag, "")
with open(sys.argv[2] + "/compile_commands.json", "w") as taken:
    json.dump(list(once.values()), taken, indent=1)
END
part=${3-0} parts=${4-1}
mapfile -t files < <(sed -n 's/^ *"file": "\(.*\)".*/\1/p' "$database/compile_commands.json" | sort -u |
	awk -v part="$part" -v parts="$parts" 'NR % parts == part')

printf '%s\0' "${files[@]}" |
	xargs -0 -n 4 clang-tidy -p "$database" --quiet 2>"$database/noise" ||
	problem "clang-tidy is not content"
# What it says on standard error is how many warnings it suppressed; if it could not run, that is there too.
if ((problems)); then
	grep -v ' warnings\? generated\.$' "$database/noise" >&2 || true
fi
finish "${#files[@]}" "C files"
