#!/usr/bin/env bash
# run.sh [OPTION...]: installs what is missing, builds the preset `server` (echod, echoctl,
# echocat and echopath) and starts echod with these options. Standard output is echod's alone.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build() {
	cd "$root"
	cmake --preset server && cmake --build --preset server -- --quiet
}

"$root/tools/install-deps.sh" server
[[ -x $root/build/server/bin/echod ]] || echo "building echod in $root/build/server" >&2
if ! output=$(build 2>&1); then
	printf '%s\n' "$output" >&2
	echo "run.sh: the build failed" >&2
	exit 1
fi
exec "$root/build/server/bin/echod" "$@"
