#!/usr/bin/env bash
# debian.sh [MIRROR]: the Debian packages in the life of a machine. Two builds of them, under
# different conditions, are the same to the byte. In a bare Debian from MIRROR (default
# http://deb.debian.org/debian), of the release that runs here, they are installed; echod runs as
# its unit starts it, as a user without rights; they are upgraded while a connection is open, then
# removed and purged, and all files are as before. No service manager runs there: what it does, this
# script does. Exit status: 0 all is well, 1 something is not, 3 there is no root, no program for
# it, or no mirror.
set -euo pipefail

source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
user=61184 # the first of those that systemd gives to services

fail() {
	echo "debian.sh: $2" >&2
	exit "$1"
}

# wait_for WHAT COMMAND...: until it succeeds, for at most ten seconds.
wait_for() {
	local left
	for ((left = 100; left > 0; left--)); do
		! "${@:2}" || return 0
		sleep 0.1
	done
	fail 1 "waited in vain for $1; echod's log: $(cat "$work/log")"
}

# build DIR [OPTION...]
build() {
	"$source/tools/deploy/build-deb.sh" --output "$work/$1" "${@:2}" >"$work/log" 2>&1 ||
		fail "$?" "no packages: $(tail -n 30 "$work/log")"
	rm -f "$work/$1"/*-dbgsym_*
}

# files FILE: all that there is, with modes and owners, into FILE. What apt and dpkg note down about
# their work is not meant.
files() {
	find "$root" -xdev \( -path "$root/proc" -o -path "$root/var/log" -o -path "$root/var/cache" \
		-o -path "$root/var/lib/dpkg/*-old" \) -prune -o -printf '%P %M %U:%G %l\n' | sort >"$1"
}

# start: echod as its unit does, at a port that is free; `echod` is its process, `port` its port.
start() {
	local command
	read -ra command < <(sed -n 's/^ExecStart=//p' "$root/lib/systemd/system/echod.service" |
		sed 's/[$]ECHOD_OPTIONS/--listen 127.0.0.1:0 --http 127.0.0.1:0/')
	install -d -o "$user" -g "$user" "$root/run/echod"
	: >"$work/listening"
	"${as_user[@]}" "${command[@]}" >"$work/listening" 2>"$work/log" &
	echod=$!
	wait_for "the start" grep -q '^http' "$work/listening"
	port=$(sed -n 's/^listening on 127[.]0[.]0[.]1://p' "$work/listening")
}

# stop: as the service manager does; a clean end leaves nothing behind.
stop() {
	kill -TERM "$echod"
	wait "$echod" || fail 1 "echod ended with $?: $(cat "$work/log")"
	rmdir "$root/run/echod"
}

# echoed TEXT: the connection that is open echoes it.
echoed() {
	echo "$1" >&5
	wait_for "the echo of '$1'" grep -qx "$1" "$work/echo"
}

life() {
	local answer left link program
	echo "=== installed"
	"${in_root[@]}" dpkg --install --recursive /packages/old >/dev/null
	link=etc/systemd/system/multi-user.target.wants/echod.service
	[[ $(cd "$root" && find etc -name 'echod*') == "$link" ]] || fail 1 "enabled is something else than echod.service"
	for program in echod echoctl echocat echoload; do
		"${in_root[@]}" "$program" --version >/dev/null
	done
	start
	"${as_user[@]}" echocat --message hello 127.0.0.1 "$port" >/dev/null
	"${in_root[@]}" echoctl --control /run/echod/echod.sock ping >/dev/null
	exec 5<>"/dev/tcp/127.0.0.1/$(sed -n 's/^http on 127[.]0[.]0[.]1://p' "$work/listening")"
	printf 'GET /readyz HTTP/1.0\r\n\r\n' >&5
	read -r answer <&5
	exec 5>&-
	[[ $answer == *" 200 "* ]] || fail 1 "/readyz: $answer"

	echo "=== upgraded while a connection is open"
	mkfifo "$work/typed"
	"${as_user[@]}" echocat 127.0.0.1 "$port" <"$work/typed" >"$work/echo" &
	local client=$!
	exec 5>"$work/typed"
	echoed before
	"${in_root[@]}" dpkg --install --recursive /packages/new >/dev/null
	echoed after
	[[ $(readlink "/proc/$echod/exe") == *" (deleted)" ]] || fail 1 "the upgrade did not replace echod"
	kill -TERM "$echod"
	wait_for "the drain" grep -q draining "$work/log"
	echoed drained
	exec 5>&-
	wait "$client" || fail 1 "the client that stayed ended with $?"
	wait "$echod" || fail 1 "echod ended with $?: $(cat "$work/log")"
	start
	[[ $(readlink "/proc/$echod/exe") == *sbin/echod ]] || fail 1 "the old echod runs again"
	"${as_user[@]}" echoload "127.0.0.1:$port" --count 1000 >/dev/null || (($? == 4)) || fail 1 "echoload failed"
	stop

	echo "=== removed and purged"
	"${in_root[@]}" dpkg --remove echod echo-tools libechod-dev libechod0 >/dev/null
	files "$work/removed"
	# That the service is enabled stays, for the day it is installed again.
	left=$(comm -13 "$work/before" "$work/removed" | grep -vE '^(etc/systemd/|var/lib/(systemd|dpkg/info/echod[.]))') || true
	[[ -z $left ]] || fail 1 "left by removing: $left"
	"${in_root[@]}" dpkg --purge echod >/dev/null
	files "$work/after"
	diff "$work/before" "$work/after" || fail 1 "left or lost by purging, see above"
}

# inside: in namespaces of its own, whose processes and mounts end with this script.
inside() {
	local depends
	# shellcheck disable=SC1091 # only its release is of interest
	release=$(. /etc/os-release && echo "$VERSION_CODENAME")
	echo "=== a bare Debian $release from $mirror"
	timeout 900 debootstrap --variant=minbase "$release" "$root" "$mirror" >"$work/log" 2>&1 ||
		fail 3 "no Debian $release from $mirror: $(tail -n 5 "$work/log")"
	install -m 755 /dev/stdin "$root/usr/sbin/policy-rc.d" <<<$'#!/bin/sh\nexit 101'
	mount -t proc proc "$root/proc"
	mkdir "$root/packages"
	cp -r "$work/old" "$work/new" "$root/packages"
	depends=$(for deb in "$work"/old/*.deb; do dpkg-deb --field "$deb" Depends Recommends; done |
		sed 's/^[A-Z][a-z]*: //' | tr ',' '\n' | sed 's/^ *//' |
		grep -vE '^(libechod0|echo-tools|$)' | sort -u | paste -s -d ,)
	{ "${in_root[@]}" apt-get -qq update && "${in_root[@]}" apt-get -qq -y --no-install-recommends satisfy "$depends"; } \
		>"$work/log" 2>&1 || fail 3 "not to be had from $mirror: $depends: $(tail -n 5 "$work/log")"
	files "$work/before"
	life
	echo "all well"
}

if [[ ${1-} == --inside ]]; then
	work=$2 root=$2/root mirror=$3
	in_root=(chroot "$root" env -i PATH="$PATH" LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive)
	as_user=("${in_root[@]}" setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --bounding-set=-all)
	inside
	exit
fi
mirror=${1-http://deb.debian.org/debian}
((EUID == 0)) || fail 3 "not root: chroot and debootstrap need it"
for program in debootstrap dpkg-buildpackage unshare; do
	command -v "$program" >/dev/null || fail 3 "there is no $program"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "=== the packages, and again under other conditions"
build old
(
	umask 077
	TZ=Pacific/Kiritimati LANG=C DEB_BUILD_OPTIONS="nocheck parallel=1" build again
)
(cd "$work/old" && sha256sum ./*.deb) | (cd "$work/again" && sha256sum --check --quiet) ||
	fail 1 "the same sources give different packages"
DEB_BUILD_OPTIONS=nocheck build new --version "$(dpkg-deb --field "$work"/old/echod_*.deb Version)+1"
unshare --mount --pid --fork --kill-child --mount-proc "${BASH_SOURCE[0]}" --inside "$work" "$mirror"
