#!/usr/bin/env bash
# tools/run.sh installs what the server needs, no more, and the preset that it builds is content
# with that.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

needed="build-essential cmake libjansson-dev libjemalloc-dev libmicrohttpd-dev ninja-build pkg-config"
# A machine that has nothing, not even apt-get.
missing=$(env PATH="$work" "$BASH" tools/install-deps.sh server 2>&1) || true
missing=${missing##*: }
same "${missing// /$'\n'}" "${needed// /$'\n'}" "what run.sh installs (<) and what the server needs (>) differ:"
grep -q 'install-deps.sh" server$' tools/run.sh || problem "tools/run.sh installs something else"

mkdir "$work/modules"
# Those that the server needs, and those that they name.
modules=(jansson jemalloc libmicrohttpd)
for ((i = 0; i < ${#modules[@]}; i++)); do
	module=${modules[i]}
	ln -sf "$(pkg-config --variable pcfiledir "$module")/$module.pc" "$work/modules"
	mapfile -t -O "${#modules[@]}" modules < <(pkg-config --print-requires --print-requires-private "$module" | cut -d' ' -f1)
done
env PKG_CONFIG_LIBDIR="$work/modules" cmake --preset server -B "$work/build" \
	>"$work/log" 2>&1 || problem "the preset does not configure: $(tail -n 20 "$work/log")"
programs=$(sed -nE 's/^build bin\/([a-z]+): C_EXECUTABLE.*/\1/p' "$work/build/build.ninja")
same "$programs" $'echod\nechoctl\nechocat\nechopath' "what run.sh builds (<) and the server with its tools (>) differ:"
finish "$(wc -w <<<"$programs")" "programs"
