#!/usr/bin/env bash
# Every C file has the form that .clang-format asks for.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

exec tools/format.sh --check
