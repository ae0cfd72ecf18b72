#!/usr/bin/env bash
# run.sh [OPTION...]: installs what is missing, builds the release preset and starts echod with these
# options. Standard output is echod's alone.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build() {
	cd "$root"
	cmake --preset release && cmake --build --preset release --target echod echoctl echocat echoload -- --quiet
}

"$root/tools/install-deps.sh" build
[[ -x $root/build/release/bin/echod ]] || echo "building echod in $root/build/release" >&2
if ! output=$(build 2>&1); then
	printf '%s\n' "$output" >&2
	echo "run.sh: the build failed" >&2
	exit 1
fi
exec "$root/build/release/bin/echod" "$@"
