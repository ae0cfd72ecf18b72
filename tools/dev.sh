#!/usr/bin/env bash
# dev.sh: the loop of somebody who works on echod, one word for each task. See --help.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C.UTF-8 # columns are characters
preset=${PRESET:-release} out=build/${PRESET:-release}

usage() {
	cat <<END
Usage: tools/dev.sh [--install] COMMAND

  build       build everything
  test NAME   build and run one test, such as turn, unit.turn or check.docs
  quick       build, then run the unit tests
  check       the checks that take seconds: format, layers, lengths, documents, scripts
  format      bring all C files into the form that .clang-format asks for
  all         everything, as CI runs it: tools/test.sh
  size        lines of code, tests and documents, and what they may be at most
  hook        install a pre-commit hook: \`dev.sh staged\`
  staged      check what is staged: format, width, scripts, white space

--install first installs packages that are missing. PRESET=tsan takes another preset.
END
}

configured() {
	[[ -f $out/build.ninja ]] || cmake --preset "$preset" >/dev/null
}

build() {
	configured
	cmake --build --preset "$preset" -- --quiet "$@"
}

# one NAME: builds only the test's program if there is one.
one() {
	local name=${1#*.} target
	configured
	target=$(ninja -C "$out" -t targets all | sed -nE "s,^((unit|system|torture)[.]$name): phony,\1,p")
	# shellcheck disable=SC2086 # none, one or two
	build $target
	ctest --preset "$preset" --timeout 120 --no-tests=error -R "(^|[.])$1(_[0-9]+)?\$"
}

run_check() {
	build
	ctest --preset "$preset" -j "$(nproc)" --no-tests=error \
		-R '^check[.](format|layers|length|compiled|docs|numbers|symbols|shellcheck|man)$'
}

# lines PATH...: of the tracked files that git ls-files finds there.
lines() {
	git ls-files -z -- "$@" | xargs -0 cat | wc -l
}

row() {
	printf '%-44s %6d  %s\n' "$1" "$2" "${3:+at most $3}"
}

size() {
	row "lines of src/pool and src/echo" "$(lines src/pool src/echo)" 1900
	row "lines of tools/echoload (.c, .h, .def)" "$(lines 'tools/echoload/*.'{c,h,def})"
	row "lines of tests (.c, .h)" "$(lines 'tests/*.'{c,h})" 37400
	row "test programs" "$(cat tests/{unit,system}/CMakeLists.txt | grep -cE '^ *(unit|system)_tests\(')" 70
	row "lines of README.md" "$(lines README.md)" 150
	row "lines of documents, README and man pages" "$(lines README.md 'docs/*.md' 'docs/*.h2m')" 3600
	row "  of those, beyond 100 columns" "$(cat README.md docs/*.md docs/man/* | grep -cE '.{101}')" 0
}

# staged: of what will be committed, not of what stands in the folder.
staged() {
	local file copy bad=0
	copy=$(mktemp -d)
	# shellcheck disable=SC2064 # the folder of now
	trap "rm -rf '$copy'" EXIT
	git diff --cached --check || bad=1
	git checkout-index --all --prefix="$copy/"
	cd "$copy"
	while read -rd '' file; do
		case $file in
		*.[ch]) clang-format --dry-run -Werror "$file" || bad=1 ;;&
		*.sh) shellcheck --external-sources "$file" || bad=1 ;;&
		*.[ch] | *.md) ! grep -nHE '.{101}' "$file" || bad=1 ;;
		esac
	done < <(git -C "$OLDPWD" diff --cached --name-only --diff-filter=d -z)
	return "$bad"
}

hook() {
	local path
	path=$(git rev-parse --git-path hooks)/pre-commit
	if [[ -e $path ]] && ! grep -q 'dev.sh staged' "$path"; then
		echo "dev.sh: there is a hook already: $path" >&2
		exit 1
	fi
	install -D -m 755 /dev/stdin "$path" <<<$'#!/bin/sh\nexec tools/dev.sh staged'
}

if [[ ${1-} == --install ]]; then
	tools/install-deps.sh test
	shift
fi
case ${1-}/$# in
build/1 | size/1 | staged/1 | hook/1) "$1" ;;
test/2) one "$2" ;;
quick/1)
	build
	# More at a time than there are CPUs, as most of them wait.
	ctest --preset "$preset" -j $((4 * $(nproc))) --timeout 60 --no-tests=error -L '^unit$'
	;;
check/1) run_check ;;
format/1) tools/format.sh ;;
all/1) tools/test.sh --no-install ;;
-h/1 | --help/1) usage ;;
*)
	usage >&2
	exit 2
	;;
esac
