# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# ./run --bench: measure in the VM, make the report on the host. Sourced by ./run, which
# has the harness's functions.

BENCH=()		# the command for the VM, set by bench_begin
BENCH_LOAD=		# load of the machine when it was called
BENCH_DIR=		# where the results go, set by bench_begin

# bench_begin WHAT: WHAT is empty, "quick" or numbers of ranges with commas between
bench_begin()
{
	BENCH=(/build/bench/bench -o /share/samples.json)
	case $1 in
	'') ;;
	quick) BENCH+=(-t 6 -r 3 1,16,256) ;;
	*[!0-9,]* | ,* | *, | *,,*) die $EX_USAGE "--bench: nothing, quick, or numbers of ranges: 16,1024" ;;
	*) BENCH+=("$1") ;;
	esac
	if [ -z "$VM_SHARE" ]; then
		VM_SHARE=$CACHE/bench/$(date +%Y%m%d-%H%M%S)-$$
		mkdir -p "$VM_SHARE" || die $EX_SPACE "cannot write to $CACHE"
	fi
	BENCH_DIR=$VM_SHARE
	rm -f "$BENCH_DIR/samples.json"
	read -r BENCH_LOAD _ </proc/loadavg
}

# bench_end: tables, JSON and plot of what was measured, also if some of it failed; sets
# VM_STATUS if the report fails
bench_end()
{
	local status=$VM_STATUS
	if [ ! -e "$BENCH_DIR/samples.json" ]; then
		[ "$status" != 0 ] || VM_STATUS=1
		return
	fi
	in_tree python3 -B "$PROJECT/bench/report.py" "$BENCH_DIR/samples.json" \
		"Measured $(date +%F) in a VM (${ACCEL%%,*}) of $VM_CPUS CPUs with the virtual GPU, on a machine with $(nproc) CPUs and a load average of $BENCH_LOAD before."
	VM_STATUS=$?
	[ "$VM_STATUS" = 0 ] || return
	VM_STATUS=$status
	printf '\nresults: %s/bench.json, bench.svg (plot), bench.md (these tables), samples.json (all rounds)\n' \
		"$BENCH_DIR"
}
