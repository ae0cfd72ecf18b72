#!/usr/bin/env bash
# install.sh: installs what the benchmark's peers need and this machine lacks, with
# apt-get, through sudo if not root. All of it is optional: what cannot be installed is named on
# standard error, and run.sh reports that peer as absent.
set -euo pipefail

# PACKAGE=PROBE. The packages are Debian's (12 and later). The probe is a program, a pkg-config
# module (NAME.pc) or a file (/PATH). It comes first, so that a toolchain from another source will
# do.
packages=(
	cargo=cargo
	golang-go=go
	libevent-dev=libevent_core.pc
	librust-tokio-dev=/usr/share/cargo/registry/tokio-*
	liburing-dev=liburing.pc
	libuv1-dev=libuv.pc
	ncat=ncat
	nodejs=node
	python3=python3
	socat=socat
	strace=strace
	valgrind=valgrind
)

is_there() {
	case $1 in
	*.pc) command -v pkg-config >/dev/null && pkg-config --exists "${1%.pc}" ;;
	/*) compgen -G "$1" >/dev/null ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -y -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" </dev/null >/dev/null 2>&1
}

# find_missing: leaves in `missing` the packages whose probe fails.
find_missing() {
	missing=()
	local entry
	for entry in "${packages[@]}"; do
		is_there "${entry#*=}" || missing+=("${entry%%=*}")
	done
}

find_missing
((${#missing[@]})) || exit 0
as_root=()
if ((EUID != 0)); then
	as_root=(sudo -n)
fi
if command -v apt-get >/dev/null && { ((EUID == 0)) || command -v sudo >/dev/null; }; then
	echo "installing ${missing[*]}" >&2
	apt update || true
	# All at once, or, where one cannot be had, one by one.
	apt install --no-install-recommends "${missing[@]}" ||
		for package in "${missing[@]}"; do
			apt install --no-install-recommends "$package" || true
		done
fi
find_missing
((${#missing[@]} == 0)) || echo "install.sh: not installed: ${missing[*]}" >&2
