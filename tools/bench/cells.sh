# shellcheck shell=bash disable=SC2034,SC2154 # the script that sources it uses what is set
# What is measured, for run.sh, which sets `seconds`: `cells`, and the load of each.

cells=()
for connections in 1 2 10 50 150 500 1000 5000 10000; do
	for size in 64 512 1000; do
		cells+=("ping-$connections-$size")
	done
done
cells+=(ping-50-16384 stream-1 stream-8 churn-16 mixed-50 ping-100-64 parked-100-18000)

# cell_load NAME: sets `load_options`, of the echoload that is measured, and `connections`, the
# number that the server has in all; `beside`, the number of those that another echoload has, which
# starts first, and `beside_options`. A single ping-pong connection also measures the round trip:
# echoload waits in the kernel, as a client in recv(2) does.
cell_load() {
	local mode first second
	IFS=- read -r mode first second <<<"$1"
	beside=0
	beside_options=()
	case $mode in
	parked)
		beside=$second
		# Of the ports of one address the kernel gives out half quickly.
		beside_options=(--mode idle --connections "$second" --duration never --source "127.0.0.1,127.0.0.2")
		load_options=(--connections "$first")
		;;
	mixed)
		beside=1
		beside_options=(--mode stream --duration "${seconds}s")
		load_options=(--connections "$first")
		;;
	stream) load_options=(--mode stream --connections "$first") ;;
	churn) load_options=(--mode churn --linger rst --connections "$first" --size "${second:-64}") ;;
	*) load_options=(--mode "$mode" --connections "$first" --size "${second:-64}") ;;
	esac
	connections=$((first + beside))
}
