# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# ./run as its users see it. All is prepared by now, so it also has to be quick.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

limit=60	# seconds, on two processors without hardware virtualization

start=$SECONDS
./run --kernel "$CHECK_KERNEL" >"$OUT/run.log" 2>"$OUT/run.err"
status=$?
took=$((SECONDS - start))
last=$(tail -n 1 "$OUT/run.log")
if [ $status -eq 0 ] && [ "$last" = "main job: PASS" ]; then
	ok main-job "$took s"
else
	tail -n 30 "$OUT/run.log" "$OUT/run.err" | sed 's/^/     | /'
	fail main-job "status $status, last line '$last': $OUT/run.log"
fi
if [ "$CHECK_KERNEL" != fast ]; then
	skip warm-run-time "the limit is for the fast kernel; this run took $took s"
elif [ $took -le $limit ]; then
	ok warm-run-time "$took s of $limit s"
else
	fail warm-run-time "$took s, more than $limit s"
fi
