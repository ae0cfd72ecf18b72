#!/usr/bin/env bash
# systemd finds no fault in the units, with the echod that was built, and gives each service a score
# of 1.2 at most. The services differ only where they must.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

most=12 # tenths
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count=0
for unit in tools/deploy/systemd/*.{service,socket}; do
	[[ -e $unit ]] || continue
	count=$((count + 1))
	sed "s,^ExecStart=/usr/sbin/echod ,ExecStart=$build/bin/echod ," "$unit" >"$work/$(basename "$unit")"
done
((count == 3)) || problem "there are $count units, not 3"
cp "$work/echod@.service" "$work/echod@1.service" || true

for name in echod.service echod@1.service echod.socket; do
	said=$(systemd-analyze verify --man=no "$work/$name" 2>&1) || problem "$name: verify fails"
	[[ -z $said ]] || problem "$name: verify says: $said"
	[[ $name == *.service ]] || continue
	said=$(systemd-analyze security --no-pager --offline=true --threshold=$most "$work/$name" 2>&1) ||
		problem "$name: above $most tenths: $(tail -n 1 <<<"$said")"
	[[ $said == *"Overall exposure level"* ]] || problem "$name: no score: $said"
done

# what UNIT: its settings without those that have to do with its name.
what() {
	sed -E '/^(#|$)/d; s/echod-%i/echod/g; s/ %i$//; s/ --reuse-port//' "$1"
}
same "$(what "$work/echod.service")" "$(what "$work/echod@.service")" \
	"echod.service (<) and echod@.service (>) differ in more than their names:"
finish "$count" "units"
