#!/usr/bin/env bash
# run.sh [-k] SECONDS [NAME...]: libFuzzer on each parser (all of `fuzz`) for so many seconds,
# beginning with corpus/NAME. With -k what it finds is kept there, as few inputs as cover the same.
# A crash is told with its input. Exits with 0 only if there was none.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
keep=false
if [[ ${1-} == -k ]]; then
	keep=true
	shift
fi
seconds=${1:?run.sh [-k] SECONDS [NAME...]}
corpus=$PWD/tests/fuzz/corpus fuzz=$PWD/build/fuzz/tests/fuzz/fuzz
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -- --quiet
mapfile -t names < <("$fuzz")
if (($# > 1)); then
	names=("${@:2}")
fi
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cd "$folder"

# Lines of a file become files of the folder $1, or these become lines, sorted.
unpack='import re,sys
for i, line in enumerate(sys.stdin):
    open(f"{sys.argv[1]}/{i}", "wb").write(
        re.sub(r"\\x(..)", lambda m: chr(int(m[1], 16)), line[:-1]).encode("latin1"))'
pack='import os,sys
escape = lambda b: chr(b) if 32 <= b < 127 and b != 92 else f"\\x{b:02x}"
texts = {open(f"{sys.argv[1]}/{f}", "rb").read() for f in os.listdir(sys.argv[1])}
print("\n".join(sorted("".join(map(escape, t)) for t in texts if t)))'

status=0
for name in "${names[@]}"; do
	mkdir -p "$name/old" "$name/new" "$name/least"
	python3 -c "$unpack" "$name/old" <"$corpus/$name"
	if ! "$fuzz" "--$name" -max_total_time="$seconds" -max_len=4200 -timeout=20 -print_final_stats=1 \
		-rss_limit_mb=4096 "$name/new" "$name/old" >"$name/log" 2>&1; then
		status=1
		tail -n 30 "$name/log"
		find . -maxdepth 1 -type f -exec od -A n -c {} \; -delete
	fi
	"$fuzz" "--$name" -merge=1 -max_len=1200 "$name/least" "$name/new" "$name/old" >"$name/merged" 2>&1 || status=1
	! $keep || python3 -c "$pack" "$name/least" >"$corpus/$name"
	printf '%-12s %9s inputs tried, %5s edges covered by %4s inputs\n' "$name" \
		"$(sed -n 's/^stat::number_of_executed_units: *//p' "$name/log")" \
		"$(sed -nE 's/.* cov: ([0-9]+) .*/\1/p' "$name/log" | tail -1)" "$(find "$name/least" -type f | wc -l)"
done
exit "$status"
