#!/usr/bin/env bash
# run.sh [--build-only] [MACHINE...]: builds everything for aarch64, armhf (32 bits) and s390x
# (big-endian), and runs the unit tests under qemu-user. With --build-only, for CI, it runs nothing,
# and only for armhf, whose types differ most, it builds the unit tests; for the others libraries
# and programs. The libraries of others are Debian's packages, unpacked under build/MACHINE; nothing
# is installed. Without --http, whose library needs many more. Exit status: 0 all is well, 1
# something is not, 2 usage, 3 no compiler, or a mirror does not give the packages.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# What qemu-user 7.2 lacks, and the tests that want it:
#   connect                            IP_BIND_ADDRESS_NO_PORT
#   acceptor echoload_engine ledger    TCP_INFO: it answers with four bytes
#   echoload_server                    /proc/PID/exe of another process, which is qemu
#   control                            speed: 17 clients are to be there within 5 s
# and of one machine:
#   listener service                   SO_RCVTIMEO with 64 bits
#   locale                             localedef writes for this machine's order of bytes
lacking=(acceptor connect control echoload_engine echoload_server ledger)
declare -A lacking_too=([aarch64]="" [armhf]="listener service" [s390x]="locale")

fail() {
	echo "run.sh: $2" >&2
	exit "$1"
}

# libraries MACHINE: unpacks those of Debian for it into $root.
libraries() {
	local package problem options=(-qq -o "APT::Architecture=$1" -o "APT::Architectures::=$1" -o APT::Sandbox::User=root
		-o "Dir::State::lists=$PWD/build/$1/lists" -o "Dir::Cache=$PWD/build/$1/cache" -o Dir::State::status=/dev/null
		-o Acquire::Retries=3 -o Acquire::Languages=none)
	[[ ! -e $root/done ]] || return 0
	mkdir -p "$root" "build/$1/lists/partial" "build/$1/cache/archives/partial" "build/$1/packages"
	apt-get "${options[@]}" update >/dev/null 2>&1 || true # one index of many may be missing
	problem=$(cd "build/$1/packages" && apt-get "${options[@]}" download libc6 libgcc-s1 libstdc++6 zlib1g{,-dev} \
		libjansson{4,-dev} libjemalloc{2,-dev} libcmocka{0,-dev} libc-bin 2>&1) ||
		fail 3 "not our fault: no mirror gives the packages of $1: $(tail -n 3 <<<"$problem")"
	for package in "build/$1/packages"/*.deb; do
		dpkg -x "$package" "$root"
	done
	touch "$root/done"
}

# try MACHINE
try() {
	local triple root=$PWD/build/$1/root qemu=qemu-$1 tests=ON level="-O1 -g" targets=(all)
	case $1 in
	aarch64) triple=aarch64-linux-gnu ;;
	armhf) triple=arm-linux-gnueabihf qemu=qemu-arm ;;
	s390x) triple=s390x-linux-gnu ;;
	esac
	local debian=${1/aarch64/arm64} libraries=$root/usr/lib/$triple
	command -v "$triple-gcc" >/dev/null || fail 3 "no $triple-gcc (tools/install-deps.sh)"
	if $build_only; then
		level=-O0 targets=(src/all tools/all)
		[[ $1 != armhf ]] && tests=OFF || targets+=(tests/unit/all)
	elif ! command -v "$qemu" >/dev/null; then
		fail 3 "no $qemu (tools/install-deps.sh soak)"
	fi
	libraries "$debian"
	PKG_CONFIG_LIBDIR=$libraries/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root cmake -G Ninja -B "build/$1" \
		-DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR="$1" -DCMAKE_C_COMPILER="$triple-gcc" \
		-DCMAKE_EXE_LINKER_FLAGS="-L$libraries -Wl,-rpath-link,$libraries:$root/lib/$triple" \
		-DCMAKE_SHARED_LINKER_FLAGS="-L$libraries" -DCMAKE_SKIP_RPATH=ON \
		-DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="$level" \
		-DCMAKE_CROSSCOMPILING_EMULATOR="$qemu;-L;$root;-E;LD_LIBRARY_PATH=$libraries" -DECHOD_TESTS="$tests" \
		-DECHOD_WERROR=ON -DECHOD_MAN=OFF -DECHOD_HTTP=OFF "${launcher[@]}" >"build/$1/log" || return
	ninja -C "build/$1" --quiet "${targets[@]}" || return
	local without="${lacking[*]} ${lacking_too[$1]}"
	$build_only || ctest --test-dir "build/$1" -L unit --parallel "$(nproc)" --timeout 600 --output-on-failure \
		-E "^unit\.(${without// /|})\$"
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
