#!/bin/sh
# Run the host tests given as arguments; each prints TAP. A program that ends badly without a failed test (a sanitizer's
# report, a crash, a hang) is a failed test of its own. The last line counts; the status says whether all passed.
tmp=$(mktemp) || exit 1
trap 'rm -f "$tmp"' EXIT
passed=0
failed=0
for t in "$@"; do
	name=$(basename "$(dirname "$t")")/$(basename "$t")
	echo "# $name${HOST_JITTER:+, jitter $HOST_JITTER}"
	CMOCKA_MESSAGE_OUTPUT=TAP timeout 1200 "$t" >"$tmp" 2>&1
	status=$?
	ok=$(grep -c '^ok' "$tmp")
	bad=$(grep -c '^not ok' "$tmp")
	if [ $status -ne 0 ]; then
		tail -80 "$tmp"
		if [ "$bad" -eq 0 ]; then
			echo "not ok - $name ended with status $status"
			bad=1
		fi
	else
		grep '^ok' "$tmp"
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
done
echo "# host: $passed passed, $failed failed"
[ $failed -eq 0 ]
