#!/usr/bin/env bash
# Installs what was built into a folder of its own, whose name has a space, then compiles and runs
# the example of docs/library.md as a user would: as C and C++, with pkg-config against both
# libraries, and with CMake's find_package.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix="$work/a prefix"
cmake --install "$build" --prefix "$prefix" >/dev/null
libdir=$(dirname "$(find "$prefix" -name libechod.so)")
# Relocated: what was configured for another prefix.
sed -i "s|^prefix=.*|prefix=$prefix|" "$libdir/pkgconfig/libechod.pc"
export PKG_CONFIG_PATH=$libdir/pkgconfig LD_LIBRARY_PATH=$libdir

awk '/^```c$/ { on = 1; next } /^```$/ { on = 0 } on' docs/library.md >"$work/example.c"
cp "$work/example.c" "$work/example.cc"
expected=$(awk '/^It prints$/ { on = 1 } on && /^```$/ { if (++fence == 2) exit; next } on && fence' docs/library.md)
[[ -n $expected ]] || problem "docs/library.md does not say what the example prints"

runs=0
# try NAME COMMAND...: compiles with the command, runs $work/NAME.
try() {
	local name=$1
	shift
	runs=$((runs + 1))
	if ! "$@" >"$work/$name.log" 2>&1; then
		problem "$name does not compile: $(cat "$work/$name.log")"
	elif ! output=$(timeout 20 "$work/$name" 2>&1) || [[ $output != "$expected" ]]; then
		problem "$name printed: $output"
	fi
}

# flags_of MODULE OPTION: pkg-config quotes for a shell.
flags_of() {
	pkg-config "$2" "$1" | xargs -n 1
}
mapfile -t flags < <(flags_of libechod --cflags)
mapfile -t shared < <(flags_of libechod --libs)
mapfile -t private < <(flags_of jansson --libs)
static=("-L$libdir" -l:libechod.a "${private[@]}" -pthread)
strict=(-Wall -Wextra -Wpedantic -Werror)

try c_shared cc -std=c99 -D_GNU_SOURCE "${strict[@]}" -o "$work/c_shared" "$work/example.c" "${flags[@]}" "${shared[@]}"
try c_static cc -std=c17 -D_GNU_SOURCE "${strict[@]}" -o "$work/c_static" "$work/example.c" "${flags[@]}" "${static[@]}"
try cxx_shared c++ -std=c++11 "${strict[@]}" -o "$work/cxx_shared" "$work/example.cc" "${flags[@]}" "${shared[@]}"
try cxx_static c++ -std=c++20 "${strict[@]}" -o "$work/cxx_static" "$work/example.cc" "${flags[@]}" "${static[@]}"

mkdir "$work/cmake"
cat >"$work/cmake/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.21)
project(example LANGUAGES C)
find_package(echod REQUIRED)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY $work)
add_executable(cmake_shared ../example.c)
target_link_libraries(cmake_shared PRIVATE echod::echod)
add_executable(cmake_static ../example.c)
target_link_libraries(cmake_static PRIVATE echod::static)
END
cmake -S "$work/cmake" -B "$work/cmake/build" -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log" 2>&1 ||
	problem "CMake does not find the package: $(cat "$work/cmake.log")"
try cmake_shared cmake --build "$work/cmake/build" --target cmake_shared
try cmake_static cmake --build "$work/cmake/build" --target cmake_static

for file in sbin/echod bin/echoctl bin/echocat bin/echoload bin/echopath share/man/man8/echod.8 include/echod/echod.h; do
	[[ -s $prefix/$file ]] || problem "not installed: $file"
done
finish "$runs" "builds of the example"
