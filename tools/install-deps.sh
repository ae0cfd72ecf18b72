#!/usr/bin/env bash
# install-deps.sh [server|build|test|soak|relays]: installs what building the server, building all,
# building and testing (the default), tools/soak.sh, or tools/conformance needs and this machine
# lacks. With apt-get, through sudo if not root; elsewhere it names what is missing and exits with
# 3. Prints to standard error only.
set -euo pipefail

# PACKAGE=PROBE. The packages are Debian's (12 and later). On other systems the probe, a program or
# a pkg-config module (NAME.pc), shows whether it is there. cmocka is needed to configure everything
# with CMake.
server=(
	build-essential=cc
	cmake=cmake
	libjansson-dev=jansson.pc
	libjemalloc-dev=jemalloc.pc
	libmicrohttpd-dev=libmicrohttpd.pc
	ninja-build=ninja
	pkg-config=pkg-config
)
build=(
	help2man=help2man
	libcmocka-dev=cmocka.pc
	zlib1g-dev=zlib.pc
)
test=(
	chromium-headless-shell=chromium-headless-shell
	clang=clang
	clang-19=clang-19
	clang-format=clang-format
	clang-tidy=clang-tidy
	cppcheck=cppcheck
	debhelper=dh
	debootstrap=debootstrap
	fish=fish
	gcc-aarch64-linux-gnu=aarch64-linux-gnu-gcc
	gcc-arm-linux-gnueabihf=arm-linux-gnueabihf-gcc
	gcc-s390x-linux-gnu=s390x-linux-gnu-gcc
	groff-base=groff
	haproxy=haproxy
	iproute2=ip
	libc6-dev-arm64-cross=aarch64-linux-gnu-gcc
	libc6-dev-armhf-cross=arm-linux-gnueabihf-gcc
	libc6-dev-s390x-cross=s390x-linux-gnu-gcc
	libclang-rt-19-dev=clang-19
	libclang-rt-dev=clang
	libevent-dev=libevent.pc
	liburing-dev=liburing.pc
	libnginx-mod-stream=nginx
	libuv1-dev=libuv.pc
	lintian=lintian
	llvm-19=llvm-cov-19
	locales=localedef
	nginx-light=nginx
	nodejs=node
	npm=npm
	prometheus=promtool
	python3=python3
	redir=redir
	rinetd=rinetd
	shellcheck=shellcheck
	slowhttptest=slowhttptest
	socat=socat
	spin=spin
	strace=strace
	systemd=systemd-analyze
	zsh=zsh
)
soak=(
	kmod=modprobe
	qemu-user=qemu-s390x
	user-mode-linux=linux.uml
)
relays=(
	6tunnel=6tunnel
	haproxy=haproxy
	libnginx-mod-stream=nginx
	ncat=ncat
	nginx-light=nginx
	openssh-client=ssh
	openssh-server=sshd
	openssl=openssl
	pen=pen
	redir=redir
	rinetd=rinetd
	simpleproxy=simpleproxy
	socat=socat
	sslh=sslh
	stunnel4=stunnel4
	systemd=systemd-socket-activate
	tinyproxy=tinyproxy
)

have_apt() {
	command -v apt-get >/dev/null && command -v dpkg-query >/dev/null
}

# is_there PACKAGE PROBE. npm is a package of Debian's, but part of nodejs if that comes from its
# makers.
is_there() {
	if have_apt && [[ $1 != npm ]]; then
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
	elif [[ $2 == *.pc ]]; then
		command -v pkg-config >/dev/null && pkg-config --exists "${2%.pc}"
	else
		command -v "$2" >/dev/null
	fi
}

# give_up REASON: what the user has to install.
give_up() {
	echo "install-deps.sh: $1; please install (names as in Debian 12): ${missing[*]}" >&2
	exit 3
}

apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -y -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" </dev/null
}

case ${1-test} in
server) wanted=("${server[@]}") ;;
build) wanted=("${server[@]}" "${build[@]}") ;;
test) wanted=("${server[@]}" "${build[@]}" "${test[@]}") ;;
soak) wanted=("${server[@]}" "${build[@]}" "${test[@]}" "${soak[@]}") ;;
relays) wanted=("${relays[@]}") ;;
*)
	echo "install-deps.sh: unknown list '$1': server, build, test, soak or relays" >&2
	exit 2
	;;
esac

missing=()
for entry in "${wanted[@]}"; do
	is_there "${entry%=*}" "${entry#*=}" || missing+=("${entry%=*}")
done
((${#missing[@]})) || exit 0
have_apt || give_up "there is no apt-get here"
as_root=()
if ((EUID != 0)); then
	command -v sudo >/dev/null || give_up "neither root nor sudo"
	as_root=(sudo)
fi

echo "installing ${missing[*]}" >&2
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
trap 'rm -f "$log"' EXIT
# Debian starts a service as soon as its package is installed, unless this file forbids it.
if [[ ! -e $policy ]]; then
	"${as_root[@]}" install -m 755 /dev/stdin "$policy" <<<$'#!/bin/sh\nexit 101'
	trap 'rm -f "$log"; "${as_root[@]}" rm -f "$policy"' EXIT
fi
# The lists of packages may be missing or old: then the first attempt fails.
if ! apt install --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
	if ! { apt update && apt install --no-install-recommends "${missing[@]}"; } >>"$log" 2>&1; then
		cat "$log" >&2
		give_up "apt-get failed"
	fi
fi
