#!/usr/bin/env bash
# image-root.sh BIN ROOT: fills the folder ROOT with what an image needs: echod, echoctl and echocat
# from the folder BIN without debug information, the loader, the libraries that ldd names and the
# one that echod loads for --http, and the libraries' licences.
set -euo pipefail

if (($# != 2)); then
	echo "usage: image-root.sh BIN ROOT" >&2
	exit 2
fi
bin=$1 root=$2

# add_licence LIBRARY: of the package that it belongs to, which may list /lib as /usr/lib.
add_licence() {
	local package
	command -v dpkg-query >/dev/null || return 0
	package=$({ dpkg-query -S "$1" "$(realpath "$1")" 2>/dev/null || true; } | sed -nE '1s/:.*//p')
	install -D -m 644 "/usr/share/doc/$package/copyright" "$root/usr/share/doc/$package/copyright"
}

loaded=$(grep -aoE 'libmicrohttpd\.so\.[0-9]+' "$bin/echod" | sed -n 1p) || loaded=
for program in echod echoctl echocat; do
	install -D -s -m 755 "$bin/$program" "$root/usr/bin/$program"
	needed=$(LD_PRELOAD=$loaded ldd "$bin/$program")
	if [[ $needed == *"not found"* || $needed != *"$loaded"* ]]; then
		echo "image-root.sh: $program lacks a library: $needed" >&2
		exit 1
	fi
	while read -r library; do
		[[ ! -e $root$library ]] || continue
		install -D -m 755 "$library" "$root$library"
		add_licence "$library"
	done < <(grep -oE '/[^ ]+' <<<"$needed")
done
install -D -m 644 "$(dirname "${BASH_SOURCE[0]}")/../../LICENSE" "$root/usr/share/doc/echod/LICENSE"
