#!/usr/bin/env bash
# A folder of src, or of echoload, includes only from itself and from those before it in these
# lists.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

library=(base net stats pool echo fault trace proxy server control lib)
layers=("${library[@]}" manager http echod)
echoload=(common verify load judge result run ab main.c)
declare -A rank=()
for layer in "${layers[@]}" "${echoload[@]/#/echoload/}"; do
	rank[$layer]=${#rank[@]}
	[[ -e src/$layer || -e tools/$layer ]] || problem "there is no $layer in src or tools"
done

# CMake lists those of the library in the same order.
listed=$(sed -n '/^set(library_sources/,/)/p' src/CMakeLists.txt | grep -oE '[a-z]+/' | tr -d / | uniq) || true
[[ $listed == "$(printf '%s\n' "${library[@]}")" ]] ||
	problem "src/CMakeLists.txt lists other layers than ${library[*]}, or in another order: ${listed//$'\n'/ }"

# find_rank PATH: of a file, from src or from tools; leaves it in `found`.
find_rank() {
	local layer=${1%%/*}
	if [[ $1 == echoload/* ]]; then
		layer=${1#*/}
		layer=echoload/${layer%%/*}
	elif [[ -f include/$1 && ! -f src/$1 ]]; then
		layer=${layers[0]} # the public header: all layers use its errors and log levels
	fi
	found=${rank[$layer]-}
}

count=0
while IFS=: read -r file line directive; do
	count=$((count + 1))
	included=${directive#*[\"<]}
	included=${included%[\">]*}
	if [[ $file == tools/* && $included != */* ]]; then
		included=${file#tools/} # of the same folder
	fi
	find_rank "${file#*/}"
	own=$found
	find_rank "$included"
	other=$found
	if [[ -z $own ]]; then
		problem "$file:$line: the folder is no layer"
	elif [[ $included != */* || -z $other ]]; then
		problem "$file:$line: \"$included\" is not written from src, or is in no layer"
	elif ((other > own)); then
		problem "$file:$line: must not use \"$included\""
	fi
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*("|<echod/)' src tools/echoload)
finish "$count" "includes"
