# shellcheck shell=bash disable=SC2034 # what is set is for who sources it
# What is measured, for run.sh: `cells`, and the load of each.

cells=(blocking-1-64)
for connections in 1 2 10 50 150 500 1000 5000 10000; do
	for size in 64 512 1000; do
		cells+=("ping-$connections-$size")
	done
done
cells+=(ping-50-16384 stream-1 stream-8 churn-16 mixed-50 ping-100-64 parked-100-18000)

# cell_load NAME: sets `load_options`, and `connections`, how many the server will have.
cell_load() {
	local mode first second
	IFS=- read -r mode first second <<<"$1"
	connections=$first
	case $mode in
	parked)
		connections=$((first + second))
		load_options=(--mode ping --connections "$first" --idle "$second" --size 64)
		;;
	mixed)
		connections=$((first + 1))
		load_options=(--mode mixed --connections "$first" --size 64)
		;;
	*) load_options=(--mode "$mode" --connections "$first" --size "${second:-64}") ;;
	esac
}
