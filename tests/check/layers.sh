#!/usr/bin/env bash
# A folder of src includes only from itself and from those before it in this list.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

layers=(base net stats pool echo server control lib echod)
declare -A rank
for i in "${!layers[@]}"; do
	rank[${layers[i]}]=$i
	[[ -d src/${layers[i]} ]] || problem "there is no src/${layers[i]}"
done

# CMake lists those of the library, which all but the program are, in the same order.
listed=$(sed -n '/^set(library_sources/,/)/p' src/CMakeLists.txt | grep -oE '[a-z]+/' | tr -d / | uniq) || true
[[ $listed == "$(printf '%s\n' "${layers[@]:0:${#layers[@]}-1}")" ]] ||
	problem "src/CMakeLists.txt lists other layers than ${layers[*]}, or in another order: ${listed//$'\n'/ }"

# rank_of INCLUDED: the place of what is included in the list of layers; nothing if it has none.
rank_of() {
	if [[ -f include/$1 && ! -f src/$1 ]]; then
		echo 0 # the public header: all layers use its errors and log levels
	else
		echo "${rank[${1%%/*}]-}"
	fi
}

count=0
while IFS=: read -r file line directive; do
	count=$((count + 1))
	folder=${file#src/}
	folder=${folder%%/*}
	included=${directive#*[\"<]}
	included=${included%[\">]*}
	own=${rank[$folder]-}
	other=$(rank_of "$included")
	if [[ -z $own ]]; then
		problem "$file:$line: the folder '$folder' is no layer"
	elif [[ $included != */* || -z $other ]]; then
		problem "$file:$line: \"$included\" is not written from src, or is in no layer"
	elif ((other > own)); then
		problem "$file:$line: $folder must not use \"$included\""
	fi
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*("|<echod/)' src)
finish "$count" "includes"
