# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# ./run as its users see it. All is prepared by now, so it also has to be quick.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

limit=60	# seconds, on two processors without hardware virtualization
tries=3		# other load on the machine goes away, what the project does wrong stays

# main_job: run it; sets status, last and took
main_job()
{
	local start=$SECONDS
	./run --kernel "$CHECK_KERNEL" >"$OUT/run.log" 2>"$OUT/run.err"
	status=$?
	took=$((SECONDS - start))
	last=$(tail -n 1 "$OUT/run.log")
	[ $status -eq 0 ] && [ "$last" = "main job: PASS" ]
}

times=
for ((i = 0; i < tries; i++)); do
	if ! main_job; then
		tail -n 30 "$OUT/run.log" "$OUT/run.err" | sed 's/^/     | /'
		fail main-job "status $status, last line '$last': $OUT/run.log"
		exit 0
	fi
	times+="${times:+, }$took"
	[ "$CHECK_KERNEL" = fast ] && [ $took -gt $limit ] || break
done
ok main-job "$took s"

if [ "$CHECK_KERNEL" != fast ]; then
	skip warm-run-time "the limit is for the fast kernel; this run took $took s"
elif [ $took -le $limit ]; then
	ok warm-run-time "$times s of $limit s"
else
	fail warm-run-time "$times s, each more than $limit s"
fi
