#!/usr/bin/env bash
# The Debian packages build without a warning. Everything that is installed belongs to one of them
# (dh_missing), and the library exports what its symbols file says (dpkg-gensymbols). Lintian has no
# errors and no warnings. The version is the project's. An upgrade leaves echod.socket open.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version=$(sed -nE 's/^project\(echod VERSION ([0-9.]+) .*/\1/p' CMakeLists.txt)
packaged=$(dpkg-parsechangelog -l tools/deploy/debian/changelog -S Version) || finish 0 "packages"
[[ $packaged == "$version" ]] ||
	problem "CMakeLists.txt has version '$version', tools/deploy/debian/changelog '$packaged'"
((problems == 0)) || finish 1 "changelog"

if ! DEB_BUILD_OPTIONS="nocheck noopt" tools/deploy/build-deb.sh --output "$work/deb" >"$work/log" 2>&1; then
	problem "$(tail -n 30 "$work/log")"
	finish 1 "builds"
fi
! grep 'warning:' "$work/log" >"$work/warnings" || problem "$(cat "$work/warnings")"
lintian --tag-display-limit 0 --fail-on error,warning "$work"/deb/*.changes >"$work/log" 2>&1 ||
	problem "$(cat "$work/log")"
! dpkg-deb --info "$work"/deb/echod_*.deb preinst 2>/dev/null | grep echod.socket ||
	problem "an upgrade stops echod.socket, and refuses clients"
built=$(find "$work/deb" -name '*.deb' ! -name '*-dbgsym_*' -printf '%f\n' | sed 's/_.*//')
same "$built" $'echod\necho-tools\nlibechod0\nlibechod-dev' "what is built (<) and what should be (>) differ:"
finish "$(wc -w <<<"$built")" "packages"
