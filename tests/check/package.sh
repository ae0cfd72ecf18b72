#!/usr/bin/env bash
# Builds and installs as a packager elsewhere does: from the sources alone into folders whose names
# have spaces, without presets and tests, static, and with a compiler that knows none of the flags
# that are optional and no integer of 128 bits. The programs need no shared library and work. A
# build without a build type is optimized.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CMAKE_C_COMPILER_LAUNCHER CFLAGS LDFLAGS

mkdir "$work/its source"
cp -r CMakeLists.txt docs include src tools "$work/its source"

cat >"$work/cc" <<END
#!/usr/bin/env bash
for argument; do
	case \$argument in
	-fcf-* | -fstack-* | -ftrivial-* | -mbranch-* | -D_FORTIFY_SOURCE=3)
		echo "error: unknown option '\$argument'" >&2
		exit 1
		;;
	esac
done
exec $(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt") -U__SIZEOF_INT128__ "\$@"
END
chmod +x "$work/cc"

# step COMMAND...: fails the check at once if it fails, or warns of something else than static name
# resolution.
step() {
	if ! "$@" >"$work/log" 2>&1 || grep -i warning "$work/log" | grep -v "Using 'getaddrinfo' in statically linked"; then
		problem "$*: $(tail -n 20 "$work/log")"
		finish 1 "packages"
	fi
}

step cmake -G Ninja -S "$work/its source" -B "$work/its build" -DCMAKE_C_COMPILER="$work/cc" -DCMAKE_BUILD_TYPE=Debug \
	-DCMAKE_INSTALL_PREFIX="/opt/an echod" -DECHOD_HARDEN=ON -DECHOD_STATIC=ON -DECHOD_TESTS=OFF
step cmake --build "$work/its build"
step cmake --build "$work/its build" --target test
step env -C "$work/its build" ctest
DESTDIR=$work/image step cmake --install "$work/its build"
! grep -e -Werror "$work/its build/compile_commands.json" >"$work/log" || problem "-Werror without being asked for"

step cmake -G Ninja -S "$work/its source" -B "$work/plain" -DECHOD_TESTS=OFF -DECHOD_MAN=OFF
grep -q -e ' -O2 ' "$work/plain/compile_commands.json" || problem "no optimization where no build type was given"

place="$work/image/opt/an echod"
for page in man8/echod.8 man1/{echoctl,echocat,echoload,echopath}.1; do
	grep -q '^\.SH OPTIONS' "$place/share/man/$page" || problem "no options in $page"
done
for program in sbin/echod bin/{echoctl,echocat,echoload,echopath}; do
	readelf -lW "$place/$program" >"$work/log"
	grep -q LOAD "$work/log" || problem "$program is no program"
	! grep -q INTERP "$work/log" || problem "$program needs shared libraries"
done

"$place/sbin/echod" --listen "unix:$work/echo" --control "$work/control" >"$work/log" 2>&1 &
server=$!
for ((i = 0; i < 300; i++)); do
	[[ ! -S $work/control ]] || break
	sleep 0.1
done
answer=$("$place/bin/echocat" --message hello "unix:$work/echo" 2>&1) || true
[[ $answer == "Received 'hello'" ]] || problem "echocat: $answer; echod: $(cat "$work/log")"
"$place/bin/echoload" "unix:$work/echo" --count 100 >"$work/load" 2>&1 || (($? == 4)) || problem "$(cat "$work/load")"
"$place/bin/echoctl" --control "$work/control" drain >"$work/log" 2>&1 || problem "echoctl: $(cat "$work/log")"
wait "$server" || problem "echod ended with $?"
finish 4 "programs"
