#!/usr/bin/env bash
# The Kubernetes manifests are valid for the schemas of their kinds, as the npm package
# kubernetes-models has them, with no field that these do not know; and what they say of each other
# fits. The package is of the version that kubernetes/package-lock.json names and lands in the build
# folder.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

here=$root/tests/check/kubernetes
work=$build/kubernetes
mkdir -p "$work"
npm_packages "$here" "$work"
mapfile -t manifests < <(find "$root/tools/deploy/kubernetes" -name '*.yaml')
(cd "$work" && node "$here/check.js" "${manifests[@]}") || problem "they are not sound"
finish "${#manifests[@]}" "manifests"
