# shellcheck shell=bash
# What every check begins with: `common.sh SOURCE BUILD [MORE...]` leaves the two folders in `root`
# and `build`.
set -euo pipefail

root=$1
# shellcheck disable=SC2034 # for the checks
build=$2
cd "$root"
problems=0

problem() {
	printf '%s\n' "$*" >&2
	problems=$((problems + 1))
}

# same LIST LIST MESSAGE: the lists, one a line, hold the same; where not, the message and what
# differs.
same() {
	local difference
	difference=$(diff <(sort -u <<<"$1") <(sort -u <<<"$2")) ||
		problem "$3"$'\n'"$(grep '^[<>]' <<<"$difference")"
}

# compiled_once FOLDER [PART PARTS]: a compile_commands.json in FOLDER that has each C file once,
# however many programs it is compiled for, or one part of so many of them. The names of the files
# are in `c_files`.
compiled_once() {
	# shellcheck disable=SC2034 # for the checks
	mapfile -t c_files < <(python3 - "$build" "$1" "${2-0}" "${3-1}" <<'END'
import json, sys

build, folder, part, parts = sys.argv[1:]
with open(build + "/compile_commands.json") as given:
    once = {entry["file"]: entry for entry in json.load(given)}
taken = [once[name] for name in sorted(once)[int(part) :: int(parts)]]
with open(folder + "/compile_commands.json", "w") as file:
    json.dump(taken, file, indent=1)
print("\n".join(entry["file"] for entry in taken))
END
	)
}

# npm_packages FROM FOLDER: installs into FOLDER the packages that FROM/package-lock.json names,
# once for each version of that file.
npm_packages() {
	local output
	! cmp -s "$1/package-lock.json" "$2/package-lock.json" || return 0
	cp "$1/package.json" "$2/package.json"
	cp "$1/package-lock.json" "$2/package-lock.new"
	mv "$2/package-lock.new" "$2/package-lock.json"
	if ! output=$(cd "$2" && npm ci --ignore-scripts --no-audit --no-fund 2>&1); then
		rm "$2/package-lock.json"
		problem "npm could not install the packages of $1: $output"
		finish 1 "packages"
	fi
}

# finish COUNT NOUN: ends the check. One that checked nothing has failed.
finish() {
	(($1 > 0)) || problem "found no $2 to check"
	if ((problems)); then
		echo "$problems problem(s) in $1 $2" >&2
		exit 1
	fi
	echo "$1 $2 checked, all well"
	exit 0
}
