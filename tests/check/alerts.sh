#!/usr/bin/env bash
# Each alert fires when it should, and only then; each says what to do.
# shellcheck source=tests/check/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" "$@"

command -v promtool >/dev/null || problem "there is no promtool (Debian: prometheus)"
rules=tools/deploy/prometheus/echod.rules.yml
tests=tests/check/alerts/echod.test.yml
said=$(promtool check rules --lint=all --lint-fatal "$rules" 2>&1) || problem "$rules: $said"
said=$(promtool test rules "$tests" 2>&1) || problem "$tests: $said"
said=$(promtool check config tools/deploy/prometheus/prometheus.yml 2>&1) || problem "prometheus.yml: $said"

count=0
while read -r alert; do
	count=$((count + 1))
	body=$(sed -n "/- alert: $alert\$/,/^\$/p" "$rules")
	for part in severity summary description action; do
		grep -qE "\b$part: " <<<"$body" || problem "$rules: $alert has no $part"
	done
	grep -qE "alertname(: |=\")$alert\b" "$tests" || problem "$tests: nothing about $alert"
done < <(sed -n 's/^ *- alert: //p' "$rules")
finish "$count" "alerts"
