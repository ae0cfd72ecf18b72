#!/usr/bin/env bash
# What echoload writes in the formats of HdrHistogram (.hlog, .hgrm) is read by the public npm
# package hdr-histogram-js, which finds the same counts and percentiles. The package is of the
# version that hdr_formats/package-lock.json names and lands in the build folder.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

here=$root/tests/check/hdr_formats
work=$build/hdr_formats
mkdir -p "$work/files"
npm_packages "$here" "$work"
written=$("$build/tests/check/write_hdr_formats" "$work/files")
read -r -d '' -a names <<<"$written" || true
(cd "$work" && node "$here/check.js" files "${names[@]}") || problem "hdr-histogram-js does not agree"
finish "${#names[@]}" "distributions"
