#!/usr/bin/env bash
# debian.sh [MIRROR]: the Debian packages in the life of a machine. Two builds of them, under
# different conditions, are the same to the byte. Then a bare Debian from MIRROR (default
# http://deb.debian.org/debian), of the release that runs here, boots systemd in namespaces of its
# own. There the packages are installed, the units run as they are, the packages are upgraded while
# connections are open, removed and purged; all files are as before. Exit status: 0 all is well, 1
# something is not, 3 there is no root, no program for it, no cgroup2, or no mirror.
set -euo pipefail

source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

fail() {
	echo "debian.sh: $2" >&2
	[[ ! ${machine-} ]] || on_machine journalctl --no-pager --unit 'echod*' --lines 20 >&2 || true
	exit "$1"
}

# wait_for WHAT COMMAND...: until it succeeds, for at most 20 s.
wait_for() {
	local left
	for ((left = 200; left > 0; left--)); do
		! "${@:2}" || return 0
		sleep 0.1
	done
	fail 1 "waited in vain for $1"
}

# build DIR [OPTION...]
build() {
	"$source/tools/deploy/build-deb.sh" --output "$work/$1" "${@:2}" >"$work/log" 2>&1 ||
		fail "$?" "no packages: $(tail -n 30 "$work/log")"
	rm -f "$work/$1"/*-dbgsym_*
}

# files FILE: all that there is, with modes and owners, into FILE. What others note down about their
# work is not meant.
files() {
	(cd "$root" && find . -xdev \( -path ./dev -o -path ./tmp -o -path './var/lib/dpkg/*-old' -o -path ./var/log \
		-o -path ./var/cache -o -path ./var/tmp -o -path './var/lib/systemd/[a-ce-z]*' \) -prune \
		-o -printf '%P %M %U:%G %l\n') | sort >"$1"
}

# boot: systemd with the root $root, until the processes of this script end; `machine` is its
# process.
boot() {
	# shellcheck disable=SC2016 # for the other shell
	unshare --mount --pid --fork --kill-child --net --uts --ipc bash -euc '
		echo $$ >"$1/cgroup.procs"
		exec unshare --cgroup "$BASH" -euc '\''
			cd "$0"
			mount --bind . .
			cd "$0"
			mount -t proc proc proc
			mount -t sysfs -o ro sysfs sys
			mount -t cgroup2 cgroup2 sys/fs/cgroup
			mount -t tmpfs -o mode=755 tmpfs run
			mount --bind dev dev
			mkdir run/old
			pivot_root . run/old
			umount -l run/old
			exec env -i container=test PATH="$PATH" chroot . /lib/systemd/systemd --system \
				--unit=multi-user.target --log-target=journal --show-status=no
		'\'' "$0"
	' "$root" "$cgroup" </dev/null >"$work/console" 2>&1 &
	local parent=$!
	wait_for "a process" grep -q . "/proc/$parent/task/$parent/children"
	machine=$(tr -d ' ' <"/proc/$parent/task/$parent/children")
	wait_for "systemd" is_up
}

on_machine() {
	nsenter --target "$machine" --all --root env -i -C / PATH="$PATH" LC_ALL=C.UTF-8 "$@"
}

is_up() {
	[[ $(on_machine systemctl is-system-running 2>/dev/null) =~ ^(running|degraded)$ ]]
}

# is STATE UNIT
is() {
	[[ $(on_machine systemctl is-active "$2") == "$1" ]]
}

# install FOLDER: of packages.
install() {
	on_machine dpkg --install --recursive "/packages/$1" >"$work/log" 2>&1 || fail 1 "$(cat "$work/log")"
}

# echoed TEXT: the connection that is open echoes it.
echoed() {
	echo "$1" >&5
	wait_for "the echo of '$1'" grep -qx "$1" "$work/echo"
}

of_service() {
	on_machine systemctl show --value --property "$1" echod.service
}

has_restarted() {
	[[ $(of_service NRestarts) == 1 ]] && is active echod.service
}

life() {
	local answer left old job client
	echo "=== installed: the service runs, without rights"
	install old
	is active echod.service || fail 1 "echod.service does not run"
	is inactive echod.socket || fail 1 "echod.socket is $(on_machine systemctl is-active echod.socket)"
	[[ $(on_machine stat -c %u "/proc/$(of_service MainPID)") != 0 ]] || fail 1 "the service runs as root"
	[[ $(of_service StatusText) == "listening on 127.0.0.1:65432" ]] || fail 1 "status: $(of_service StatusText)"
	on_machine echoctl ready >/dev/null
	on_machine echocat --message hello >/dev/null

	echo "=== configured by a drop-in, with --http, and hanging"
	mkdir -p "$root/etc/systemd/system/echod.service.d"
	printf '[Service]\nEnvironment="ECHOD_OPTIONS=--http 127.0.0.1:9090"\nWatchdogSec=2\n' \
		>"$root/etc/systemd/system/echod.service.d/our.conf"
	on_machine systemctl daemon-reload
	on_machine systemctl restart echod.service
	# shellcheck disable=SC2016 # for the other shell
	answer=$(on_machine bash -c 'exec 3<>/dev/tcp/127.0.0.1/9090; printf "GET /readyz HTTP/1.0\r\n\r\n" >&3; head -n 1 <&3')
	[[ $answer == *" 200 "* ]] || fail 1 "/readyz: $answer"
	on_machine systemctl kill --signal STOP echod.service
	wait_for "the watchdog" has_restarted

	echo "=== upgraded while a connection is open"
	old=$(of_service MainPID)
	mkfifo "$work/typed"
	on_machine echocat <"$work/typed" >"$work/echo" &
	client=$!
	exec 5>"$work/typed"
	echoed before
	install new 5>&- &
	job=$!
	wait_for "the drain" is deactivating echod.service
	echoed drained
	exec 5>&-
	wait "$client" || fail 1 "the client that stayed ended with $?"
	wait "$job"
	is active echod.service || fail 1 "echod.service does not run after the upgrade"
	[[ $(of_service MainPID) != "$old" ]] || fail 1 "the old echod runs still"

	echo "=== upgraded under churn, with a socket that systemd holds"
	on_machine systemctl stop echod.service
	on_machine systemctl enable --now echod.socket 2>/dev/null
	on_machine echoload 127.0.0.1:7 --mode churn --connections 8 --duration 6s --allow-client-bound \
		--expect errors==0 --expect faults==0 >"$work/load" 2>&1 &
	client=$!
	wait_for "the first client" is active echod.service
	old=$(of_service MainPID)
	install old
	[[ $(of_service MainPID) != "$old" ]] || fail 1 "the new echod runs still"
	wait "$client" || fail 1 "echoload ended with $?: $(cat "$work/load")"
	is active echod.socket || fail 1 "the upgrade stopped echod.socket"
	on_machine systemctl start echod@1.service
	on_machine echoctl --control /run/echod-1/echod.sock ready >/dev/null
	on_machine systemctl stop echod@1.service

	echo "=== removed and purged"
	on_machine dpkg --remove echod echo-tools libechod-dev libechod0 >"$work/log"
	! is active echod.service || fail 1 "echod.service runs after it was removed"
	! is active echod.socket || fail 1 "echod.socket is open after it was removed"
	files "$work/removed"
	# What is enabled stays so, for the day it is installed again.
	left=$(comm -13 "$work/before" "$work/removed" |
		grep -vE '^(etc/systemd/|var/lib/(systemd|dpkg/info/echod[.]))') || true
	[[ -z $left ]] || fail 1 "left by removing: $left"
	on_machine dpkg --purge echod >"$work/log"
	rm -r "$root/etc/systemd/system/echod.service.d"
	files "$work/after"
	diff "$work/before" "$work/after" || fail 1 "left or lost by purging, see above"
}

# inside: in namespaces whose processes and mounts end with this script.
inside() {
	local depends release
	# shellcheck disable=SC1091 # only its release is of interest
	release=$(. /etc/os-release && echo "$VERSION_CODENAME")
	echo "=== a bare Debian $release from $mirror"
	timeout 900 debootstrap --variant=minbase --include=systemd "$release" "$root" "$mirror" >"$work/log" 2>&1 ||
		fail 3 "no Debian $release from $mirror: $(tail -n 5 "$work/log")"
	mkdir "$root/packages"
	cp -r "$work/old" "$work/new" "$root/packages"
	depends=$(for deb in "$work"/old/*.deb; do dpkg-deb --field "$deb" Depends Recommends; done |
		sed 's/^[A-Z][a-z]*: //' | tr ',' '\n' | sed 's/^ *//' |
		grep -vE '^(libechod0|echo-tools|$)' | sort -u | paste -s -d ,)
	{
		chroot "$root" apt-get -qq update &&
			DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get -qq -y --no-install-recommends satisfy "$depends"
	} >"$work/log" 2>&1 || fail 3 "not to be had from $mirror: $depends: $(tail -n 5 "$work/log")"
	boot
	files "$work/before"
	life
	echo "all well"
}

if [[ ${1-} == --inside ]]; then
	work=$2 root=$2/root cgroup=$3 mirror=$4
	inside
	exit
fi
mirror=${1-http://deb.debian.org/debian}
((EUID == 0)) || fail 3 "not root: debootstrap and the namespaces need it"
for program in debootstrap dpkg-buildpackage nsenter pivot_root; do
	command -v "$program" >/dev/null || fail 3 "there is no $program"
done
cgroup=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)/echod-test.$$
mkdir "$cgroup" 2>/dev/null || fail 3 "no cgroup2 that can be written to, which systemd needs"
work=$(mktemp -d)
trap 'rm -rf "$work"; find "$cgroup" -depth -type d -exec rmdir {} +' EXIT
echo "=== the packages, and again under other conditions"
build old
(
	umask 077
	TZ=Pacific/Kiritimati LANG=C DEB_BUILD_OPTIONS="nocheck parallel=1" build again
)
(cd "$work/old" && sha256sum ./*.deb) | (cd "$work/again" && sha256sum --check --quiet) ||
	fail 1 "the same sources give different packages"
DEB_BUILD_OPTIONS=nocheck build new --version "$(dpkg-deb --field "$work"/old/echod_*.deb Version)+1"
unshare --mount --pid --fork --kill-child --mount-proc "${BASH_SOURCE[0]}" --inside "$work" "$cgroup" "$mirror"
