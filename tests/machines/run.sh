#!/usr/bin/env bash
# run.sh [--build-only] [MACHINE...]: builds everything for aarch64, armhf (32 bits) and s390x
# (big-endian), and runs the unit tests under qemu-user, but for armhf: there libc's functions with
# 64-bit times and sizes have other names, and the tests' own clock is not seen. The libraries are
# Debian's packages, unpacked under build/MACHINE; nothing is installed. Without --http, whose
# library needs many more. Exit status: 0 all is well, 1 something is not, 2 usage, 3 no compiler,
# no package.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# What qemu-user does not have; the tests that want it are left out there:
#   connect             IP_BIND_ADDRESS_NO_PORT
#   ledger, acceptor    TCP_INFO
#   echoload_server     /proc/PID/exe of another process is qemu, and not every fdinfo is there
#   echoload_progress   a terminal's size
#   locale              localedef writes a locale for this machine
# and those that race thousands of processes or check gigabytes, which takes it too long.
lacking=(connect ledger acceptor control locale echoload_progress echoload_server unix_path_race echoload_verify)

fail() {
	echo "run.sh: $2" >&2
	exit "$1"
}

# libraries MACHINE: unpacks those of Debian for it into $root.
libraries() {
	local options=(-qq -o "APT::Architecture=$1" -o "APT::Architectures::=$1" -o APT::Sandbox::User=root
		-o "Dir::State::lists=$PWD/build/$1/lists" -o "Dir::Cache=$PWD/build/$1/cache" -o Dir::State::status=/dev/null)
	[[ ! -e $root/done ]] || return 0
	mkdir -p "$root" "build/$1/lists/partial" "build/$1/cache/archives/partial" "build/$1/packages"
	apt-get "${options[@]}" update >/dev/null 2>&1 || true # one index of many may be missing
	(cd "build/$1/packages" && apt-get "${options[@]}" download libc6 libgcc-s1 libstdc++6 zlib1g{,-dev} libjansson{4,-dev} \
		libjemalloc{2,-dev} libcmocka{0,-dev}) || return
	local package
	for package in "build/$1/packages"/*.deb; do
		dpkg -x "$package" "$root"
	done
	touch "$root/done"
}

# try MACHINE
try() {
	local triple root=$PWD/build/$1/root qemu=qemu-$1
	case $1 in
	aarch64) triple=aarch64-linux-gnu ;;
	armhf) triple=arm-linux-gnueabihf qemu=qemu-arm ;;
	s390x) triple=s390x-linux-gnu ;;
	esac
	local debian=${1/aarch64/arm64} libraries=$root/usr/lib/$triple
	command -v "$triple-gcc" "$qemu" >/dev/null || fail 3 "no $triple-gcc or no $qemu (tools/install-deps.sh soak)"
	libraries "$debian" || fail 3 "the packages of $debian cannot be had"
	PKG_CONFIG_LIBDIR=$libraries/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root cmake -G Ninja -B "build/$1" \
		-DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$1" -DCMAKE_C_COMPILER="$triple-gcc" \
		-DCMAKE_EXE_LINKER_FLAGS="-L$libraries -Wl,-rpath-link,$libraries:$root/lib/$triple" \
		-DCMAKE_SHARED_LINKER_FLAGS="-L$libraries" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g" \
		-DCMAKE_CROSSCOMPILING_EMULATOR="$qemu;-L;$root;-E;LD_LIBRARY_PATH=$libraries" \
		-DECHOD_MAN=OFF -DECHOD_HTTP=OFF "${launcher[@]}" >"build/$1/log" || return
	ninja -C "build/$1" --quiet || return
	$build_only || [[ $1 == armhf ]] || ctest --test-dir "build/$1" -L unit --parallel "$(nproc)" --timeout 600 --output-on-failure \
		-E "^unit\.($(IFS='|' && echo "${lacking[*]}"))\$"
}

build_only=false
[[ ${1-} != --build-only ]] || { build_only=true && shift; }
machines=("$@")
((${#machines[@]})) || machines=(aarch64 armhf s390x)
launcher=()
! command -v ccache >/dev/null || launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
failed=0
for machine in "${machines[@]}"; do
	[[ $machine =~ ^(aarch64|armhf|s390x)$ ]] || fail 2 "unknown machine '$machine': aarch64, armhf or s390x"
	echo "=== $machine"
	try "$machine" || failed=1
done
((!failed)) || fail 1 "something is not well"
echo "all well"
