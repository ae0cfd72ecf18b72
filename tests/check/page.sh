#!/usr/bin/env bash
# page.sh SOURCE BUILD [FOLDER]: the page of echod --http, in Debian's Chromium without a window,
# driven by the npm package playwright-core of the version that page/package-lock.json names. It
# lands in the build folder. With FOLDER, pictures of the page are left there.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

here=$root/tests/check/page
work=$build/page
mkdir -p "$work"
npm_packages "$here" "$work"

place=$(mktemp -d)
started=()
trap 'kill "${started[@]}" 2>/dev/null || true; wait; rm -rf "$place"' EXIT

# start NAME OPTION...: an echod, whose HTTP address is in `address` then.
start() {
	"$build/bin/echod" --listen "unix:$place/$1" --control "$place/$1.ctl" --http 0 "${@:2}" >"$place/$1.out" 2>&1 &
	started+=($!)
	until address=$(sed -n 's/^http on //p' "$place/$1.out") && [[ -n $address ]]; do
		if ! kill -0 $! 2>/dev/null; then
			problem "echod does not start: $(cat "$place/$1.out")"
			finish 1 "servers"
		fi
		sleep 0.05
	done
}

start many --workers 700
many=$address
start busy --workers 6 --patience 1ms
# Quiet clients beside busy ones, and some that come and go.
for load in "--connections 160 --rate 400" "--connections 40 --rate 6k"; do
	# shellcheck disable=SC2086 # words
	"$build/bin/echoload" "unix:$place/busy" $load --duration 10m --allow-client-bound >"$place/load" 2>&1 &
	started+=($!)
done
while sleep 0.05; do "$build/bin/echocat" --message hello "unix:$place/busy"; done >"$place/visits" 2>&1 &
started+=($!)
cd "$work"
if ! said=$(timeout 100 node "$here/check.mjs" "http://$address/" "http://$many/" "$build/bin/echoctl" "$place/busy.ctl" "${3-}" 2>&1); then
	problem "$said"
fi
finish 6 "views of the page"
