#!/usr/bin/env bash
# run.sh BUILD [WORLD...]: echod, echoload and echocat of that build in machines of their own, which
# differ from this one: User-Mode Linux, on this machine's files, read-only. The worlds:
#   lossy   a network that loses, delays, doubles and reorders packets (netem)
#   clock   a wall clock that jumps by a day, forwards and back, under load
#   crowd   100,000 connections parked in one process, 1,000 of which then echo
#   ipv6    no address of IPv4
#   ipv4    no IPv6
# Exit status: 0 all is well, 1 something is not, 2 usage, 3 there is no such machine.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
all=(lossy clock crowd ipv6 ipv4)

if (($# < 1)) || [[ ! -x $1/bin/echod ]]; then
	echo "run.sh: '${1-}' is no build of echod; give its folder, such as build/release" >&2
	exit 2
fi
bin=$(cd "$1/bin" && pwd)
worlds=("${@:2}")
((${#worlds[@]})) || worlds=("${all[@]}")
command -v linux.uml >/dev/null || {
	echo "run.sh: no linux.uml; install user-mode-linux and kmod" >&2
	exit 3
}

failed=0
for world in "${worlds[@]}"; do
	if [[ " ${all[*]} " != *" $world "* ]]; then
		echo "run.sh: unknown world '$world': ${all[*]}" >&2
		exit 2
	fi
	echo "=== $world"
	output=$(timeout 1200 linux.uml mem=6G root=/dev/root rootfstype=hostfs rootflags=/ ro quiet \
		init="$here/inside.sh" "world=$world" "bin=$bin" con=null con0=null,fd:1 </dev/null 2>/dev/null |
		tr -d '\r') || true
	grep -E '^(ok|not ok|#|the end)' <<<"$output" || true
	if [[ $output != *$'\nthe end'* || $output == *$'\nnot ok'* ]]; then
		printf '%s\n' "$output" >&2
		failed=1
	fi
done
((!failed)) || exit 1
echo "all well"
