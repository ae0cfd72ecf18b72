#!/usr/bin/env bash
# build-deb.sh [OPTION...]: the Debian packages of this tree. See --help.
set -euo pipefail

source=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
output=$source/build/deb
version=

usage() {
	cat <<END
Usage: tools/deploy/build-deb.sh [OPTION]...
Builds the Debian packages echod, echo-tools, libechod0 and libechod-dev from
this tree, in a folder of its own, and prints where they are.

Options:
  -o, --output DIR       put them there (default build/deb in this tree)
      --version VERSION  of the packages (default as in debian/changelog)
  -h, --help             print this help and exit

With DEB_BUILD_OPTIONS=nocheck the unit tests are neither built nor run.
The date of a VERSION that is given is SOURCE_DATE_EPOCH, or now.

Exit status: 0 they are built, 1 they do not build, 2 wrong usage, 3 something
that the build needs is missing.
END
}

fail() {
	echo "build-deb.sh: $2" >&2
	exit "$1"
}

while (($#)); do
	case $1 in
	-h | --help) usage && exit 0 ;;
	-o | --output | --version) (($# > 1)) || fail 2 "$1 needs a value" ;;
	*) fail 2 "unknown option '$1' (see --help)" ;;
	esac
	case $1 in
	-o | --output) output=$(realpath -m -- "$2") ;;
	--version) version=$2 ;;
	esac
	shift 2
done
[[ ! $version || $version =~ ^[0-9][A-Za-z0-9.+~]*$ ]] ||
	fail 2 "--version: '$version' is not a digit followed by letters, digits, '.', '+' and '~'"
command -v dpkg-buildpackage >/dev/null || fail 3 "dpkg-buildpackage is missing: install dpkg-dev"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/echod"
cd "$source"
cp -r CMakeLists.txt LICENSE README.md docs include src tests tools "$work/echod"
cd "$work/echod"
mv tools/deploy/debian .
if [[ $version ]]; then
	{
		printf 'echod (%s) unstable; urgency=medium\n\n  * Built from its sources.\n\n' "$version"
		printf ' -- The echod authors <maintainers@echod.example>  %s\n\n' \
			"$(LC_ALL=C date -u -R ${SOURCE_DATE_EPOCH:+-d "@$SOURCE_DATE_EPOCH"})"
		cat debian/changelog
	} >"$work/changelog"
	mv "$work/changelog" debian/changelog
fi

dpkg-checkbuilddeps || fail 3 "packages that the build needs are missing"
dpkg-buildpackage --build=binary --no-sign >&2 || fail 1 "the packages do not build"
mkdir -p "$output"
cd "$work"
for file in *.deb *.changes *.buildinfo; do
	mv "$file" "$output"
	[[ $file != *.deb ]] || echo "$output/$file"
done
