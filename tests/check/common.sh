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
# once for each version of that file. One check at a time.
npm_packages() {
	local output lock
	exec {lock}>"$2/lock"
	flock "$lock"
	if ! cmp -s "$1/package-lock.json" "$2/installed"; then
		cp "$1/package.json" "$1/package-lock.json" "$2"
		if ! output=$(cd "$2" && npm ci --ignore-scripts --no-audit --no-fund 2>&1); then
			problem "npm could not install the packages of $1: $output"
			finish 1 "packages"
		fi
		cp "$1/package-lock.json" "$2/installed"
	fi
	exec {lock}>&-
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
