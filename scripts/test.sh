#!/usr/bin/env bash
# Runs a test command, and says again at the end which tests failed and why: what they print between is long.
set -uo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
if [ "$status" -ne 0 ]; then
	echo
	echo "failed:"
	grep -E '^ *--- FAIL|^FAIL|^panic:|^fatal error:|DATA RACE|^ +[a-z0-9_]+_test\.go:[0-9]+: ' "$log" | cut -c1-300 | tail -n 120
fi
exit "$status"
