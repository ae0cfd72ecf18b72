# shellcheck shell=bash disable=SC2034 # the script that sources it uses what is set
# The servers that are compared, for run.sh, callgrind.sh and generator.sh: `server_names`, and how
# each is started.

server_names=(echod epoll epoll_reuseport thread_per_conn io_uring libevent libuv go rust node python socat ncat pingpair)

# server_command NAME PORT: sets `command`. Needs `bench`, the folder of the programs, `here`,
# `echod` and `echod_options`.
server_command() {
	case $1 in
	echod)
		command=("$echod" --listen "127.0.0.1:$2" --control none --log-level error "${echod_options[@]}")
		;;
	node) command=(node "$here/peers/node.js" "$2") ;;
	python) command=(python3 "$here/peers/python_threads.py" "$2") ;;
	socat) command=(socat "TCP-LISTEN:$2,bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=4096" PIPE) ;;
	ncat) command=(ncat --listen 127.0.0.1 "$2" --keep-open --max-conns 20000 --exec /bin/cat) ;;
	*) command=("$bench/$1" "$2") ;;
	esac
}

# server_most NAME: sets `most`, the highest number of connections with which a server is tried: a
# process for each (socat, ncat) or a Python thread for each is not made for many, and a polling
# pair has one client.
server_most() {
	case $1 in
	socat | ncat) most=150 ;;
	python) most=1000 ;;
	pingpair) most=1 ;;
	*) most=1000000 ;;
	esac
}

# wait_for_server PID PORT: waits up to 10 s until the server, PID, takes a connection. Fails if it
# does not.
wait_for_server() {
	local deadline=$((SECONDS + 10))
	until (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; do
		kill -0 "$1" 2>/dev/null && ((SECONDS < deadline)) || return 1
		sleep 0.02
	done
}
