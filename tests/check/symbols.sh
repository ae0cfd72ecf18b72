#!/usr/bin/env bash
# The library, shared and static, defines what include/echod/echod.h declares and nothing else that
# a program could see. The Debian package of it lists the same.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

declared=$(cc -E -P include/echod/echod.h | tr '\n' ' ' | tr ';' '\n' |
	sed -nE 's/.*visibility\("default"\).*[ *](echod_[a-z_]+)\(.*/\1/p')
[[ -n $declared ]] || problem "include/echod/echod.h declares nothing"
# A: the name of a version.
shared=$(nm -D --defined-only "$build/lib/libechod.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }')
static=$(nm -g --defined-only "$build/lib/libechod.a" | awk 'NF == 3 { print $3 }')
same "$declared" "$shared" "include/echod/echod.h (<) and libechod.so (>) differ:"
same "$declared" "$static" "include/echod/echod.h (<) and libechod.a (>) differ:"
packaged=$(sed -nE 's/^ (echod_[a-z_]+)@.*/\1/p' tools/deploy/debian/libechod0.symbols)
same "$declared" "$packaged" "include/echod/echod.h (<) and tools/deploy/debian/libechod0.symbols (>) differ:"
for archive in "$build"/lib/*.a; do
	twice=$(nm -g --defined-only "$archive" | awk 'NF == 3 { print $3 }' | sort | uniq -d)
	[[ -z $twice ]] || problem "defined twice in $archive: ${twice//$'\n'/ }"
done
finish "$(wc -w <<<"$declared")" "functions"
