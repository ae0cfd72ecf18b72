#!/usr/bin/env bash
# build.sh: builds echod, echoload and every peer whose toolchain is there, in build/release. Writes
# build/release/bench/absent: a line for each peer that is not there, `NAME why`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/build/release/bench
log=$out/build.log

# absent NAME WHY
absent() {
	echo "$1 $2" >>"$out/absent"
}

# logged COMMAND...
logged() {
	"$@" >>"$log" 2>&1 </dev/null
}

build_c() {
	if ! { cd "$root" && logged cmake --preset release &&
		logged cmake --build --preset release --target echod echoload bench; }; then
		cat "$log" >&2
		echo "build.sh: the build failed" >&2
		exit 1
	fi
	local peer
	for peer in io_uring=liburing libevent=libevent_core libuv=libuv; do
		[[ -x $out/${peer%=*} ]] || absent "${peer%=*}" "pkg-config finds no ${peer#*=}"
	done
}

build_go() {
	command -v go >/dev/null || { absent go "there is no go here" && return; }
	(cd "$here/peers/go" && GOFLAGS=-mod=mod GOTOOLCHAIN=local GOCACHE=$out/go-cache \
		logged go build -o "$out/go" .) || absent go "go build failed, see ${log#"$root/"}"
}

# With the crates that Debian packages, and nothing from the network. Built from a copy: cargo
# writes beside its sources.
build_rust() {
	local registry=/usr/share/cargo/registry
	command -v cargo >/dev/null || { absent rust "there is no cargo here" && return; }
	compgen -G "$registry/tokio-*" >/dev/null ||
		{ absent rust "there is no librust-tokio-dev here" && return; }
	mkdir -p "$out/rust-build/.cargo"
	cp -pR "$here/peers/rust/." "$out/rust-build/"
	printf '[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "%s"\n' \
		"$registry" >"$out/rust-build/.cargo/config.toml"
	if (cd "$out/rust-build" && logged cargo build --release --offline); then
		ln -sf rust-build/target/release/peer "$out/rust"
	else
		absent rust "cargo build failed, see ${log#"$root/"}"
	fi
}

mkdir -p "$out"
: >"$out/absent"
: >"$log"
build_c
build_go
build_rust
for tool in node=node python=python3 socat=socat ncat=ncat; do
	command -v "${tool#*=}" >/dev/null || absent "${tool%=*}" "there is no ${tool#*=} here"
done
