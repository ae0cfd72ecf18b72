#!/usr/bin/env bash
# The steps of tools/deploy/Containerfile give an image that works: built from what it copies alone,
# then run without a container engine as one would: as nobody, in namespaces, with this folder as a
# root that cannot be written. It echoes and answers with its own command, and with that of the
# Kubernetes manifest, whose preStop leaves it accepting when SIGTERM follows.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

[[ $EUID == 0 ]] || exec unshare --map-auto --map-root-user "$0" "$@"
containerfile=tools/deploy/Containerfile
work=$(mktemp -d)
engine=
trap 'kill -KILL "$engine" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
mkdir -p "$work/src" "$work/image"
launcher=$(sed -n 's/^CMAKE_C_COMPILER_LAUNCHER:[A-Z]*=//p' "$build/CMakeCache.txt")
export CMAKE_C_COMPILER_LAUNCHER=$launcher

# words ["A", "B"]: A B
words() {
	tr -d '[]",' <<<"$1"
}

stage=0 user='' entrypoint='' health='' environment='' commands=()
while read -r instruction rest; do
	case $stage/$instruction in
	*/FROM) stage=$((stage + 1)) ;;
	1/COPY) # what is in a folder, not the folder
		target=$work/src/${rest##* }
		mkdir -p "$target"
		for source in ${rest% *}; do
			[[ ! -d $source ]] || source+=/.
			cp -r "$source" "$target"
		done
		;;
	1/RUN)
		(cd "$work/src" && bash -euc "${rest// \/image/ "$work/image"}") >"$work/log" 2>&1 ||
			problem "RUN $rest: $(tail -n 20 "$work/log")"
		;;
	2/COPY) [[ $rest == "--from=build /image /" ]] || problem "another root: $rest" ;;
	2/USER) user=$rest ;;
	2/ENV) environment=$rest ;;
	2/ENTRYPOINT) entrypoint=$(words "$rest") ;;
	2/HEALTHCHECK) health=$(words "${rest#CMD}") ;;
	2/CMD) commands+=("$(words "$rest")") ;;
	esac
done < <(grep -E '^[A-Z]+ ' "$containerfile")
commands+=("$(sed -nE 's/^ +- (--.*)/\1/p' tools/deploy/kubernetes/echod.yaml | tr '\n' ' ')")
pre_stop=$(words "$(sed -nE 's/^ +command: //p' tools/deploy/kubernetes/echod.yaml)")
[[ $stage == 2 && $user == 65534:65534 && $entrypoint && ${commands[*]} == *--listen*--listen* ]] ||
	problem "the Containerfile does not say what to run, or as nobody"

odd=$(find "$work/image" \( -perm /6000 -o -perm -002 -o ! -type d ! -type f \) ! -type l)
[[ ! $odd ]] || problem "not for an image: $odd"
strangers=$(find "$work/image" -type f ! -path '*/usr/share/doc/*' ! -name '*.so*' -printf '%P ')
same "${strangers// /$'\n'}" $'usr/bin/echocat\nusr/bin/echoctl\nusr/bin/echod\n' "more or less than the programs:"

# The first process of a container: mounts what an engine does, and becomes echod.
cat >"$work/start" <<'END'
set -euo pipefail
image=$1 user=$2 environment=$3
shift 3
ip link set lo up
mkdir -p "$image"/{proc,dev}
mount --bind "$image" "$image"
mount -t proc proc "$image/proc"
touch "$image/dev/null"
mount --bind /dev/null "$image/dev/null"
mount -o remount,bind,ro "$image"
# shellcheck disable=SC2086 # words
exec env -i $environment "$(command -v chroot)" --userspec="$user" --groups= "$image" "$@"
END

# inside COMMAND...: in the container, as the user.
inside() {
	# shellcheck disable=SC2086 # words
	env -i $environment "$(command -v nsenter)" --target "$echod" --mount --net --pid --root \
		--setuid "${user%:*}" --setgid "${user#*:}" "$@"
}

# http PATH: what echod answers.
http() {
	nsenter --target "$echod" --net timeout 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/8080
		printf 'GET $1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3; cat <&3"
}

count=0
for command in "${commands[@]}"; do
	((problems == 0)) || break
	count=$((count + 1))
	rm -f "$work/out" # of the command before
	# shellcheck disable=SC2086 # words
	unshare --mount --net --pid --fork --kill-child bash "$work/start" \
		"$work/image" "$user" "$environment" $entrypoint $command >"$work/out" 2>&1 &
	engine=$!
	until grep -qs 'listening on' "$work/out" || ! kill -0 $engine 2>/dev/null; do
		sleep 0.1
	done
	echod=$(tr -d ' ' <"/proc/$engine/task/$engine/children" 2>/dev/null || true)
	if [[ ! $echod ]]; then
		problem "$command: does not start: $(<"$work/out")"
		break
	fi
	[[ $(inside /usr/bin/echocat --message hello) == "Received 'hello'" ]] || problem "no echo: $(<"$work/out")"
	[[ $(inside /usr/bin/echoctl stats) == *$'\nmessages '* ]] || problem "echoctl stats: no messages"
	# shellcheck disable=SC2086 # words
	inside $health >/dev/null || problem "$health: not healthy"
	for path in /healthz /readyz; do
		[[ $(http "$path") == "HTTP/1.1 200 "* ]] || problem "$path: $(http "$path")"
	done
	! nsenter --target "$echod" --mount touch "$work/image/written" 2>/dev/null || problem "the root can be written"
	delays=false
	if [[ $command == *--drain-delay=[1-9]* ]]; then
		delays=true
		# shellcheck disable=SC2086 # words
		inside $pre_stop >/dev/null || problem "$pre_stop fails"
	fi
	kill -TERM "$echod" || problem "it has ended already: $(<"$work/out")"
	if $delays; then
		[[ $(inside /usr/bin/echocat --message hello) == "Received 'hello'" ]] || problem "no delay: $(<"$work/out")"
		[[ $(http /readyz) == "HTTP/1.1 503 "*draining* ]] || problem "ready while draining: $(http /readyz)"
		sleep 0.1         # a signal within 50 ms is the same one
		kill -TERM "$echod" # ends the delay
	fi
	status=0
	wait "$engine" || status=$?
	((status == 0)) || problem "$command: ends with $status: $(<"$work/out")"
done
finish "$count" "commands"
