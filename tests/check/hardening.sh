#!/usr/bin/env bash
# What the release preset builds is hardened, and echod runs on jemalloc, which the linker drops
# when nothing of it is used by name.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

# has FILE WHAT PATTERN READELF-OPTION
has() {
	readelf -W "$4" "$1" | grep -E -- "$3" >/dev/null || problem "$1: no $2"
}

count=0
for file in "$build"/bin/{echod,echoctl,echocat,echoload,echopath} "$build"/lib/libechod.so; do
	count=$((count + 1))
	[[ $file == *.so ]] || has "$file" "position-independent executable" 'FLAGS_1.*PIE' -d
	has "$file" "RELRO" 'GNU_RELRO' -l
	has "$file" "BIND_NOW" 'FLAGS.*NOW' -d
	has "$file" "stack that is not executable" 'GNU_STACK.* RW +0x' -l
	has "$file" "stack protector" '__stack_chk_fail' -s
	has "$file" "_FORTIFY_SOURCE" '__[a-z]+_chk(@|$)' -s
done
has "$build/bin/echod" "jemalloc" 'NEEDED.*libjemalloc' -d
finish "$count" "files"
