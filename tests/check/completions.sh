#!/usr/bin/env bash
# In a real bash, zsh and fish: the completions offer the options that --help lists, values,
# commands and paths, also behind = and :, and run no program.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{bin,place/sub}
touch "$work"/place/{control.sock,run.json,"two words"}
for program in echod echoctl echocat echoload echopath; do
	install -m 755 /dev/stdin "$work/bin/$program" <<<"#!/bin/sh
touch $work/has-run"
done

count=0
for shell in bash zsh fish; do
	command -v "$shell" >/dev/null || problem "there is no $shell"
	said=$(cd "$work/place" && PATH="$work/bin:$PATH" timeout 100 \
		python3 "$root/tests/check/completions.py" "$shell" "$build") || problem "$shell: $said"
	[[ ! $said =~ ([0-9]+)\ lines ]] || count=$((count + BASH_REMATCH[1]))
done
shellcheck --shell=bash "$build"/completions/bash/* || problem "shellcheck is not content"
[[ ! -e $work/has-run ]] || problem "completing has run a program"
finish "$count" "command lines"
