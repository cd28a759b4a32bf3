# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# A short ./run --bench: the programs work and the report is complete. No time is judged.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

mkdir -p "$OUT/share"
./run --kernel "$CHECK_KERNEL" --share "$OUT/share" --bench quick >"$OUT/run.log" 2>"$OUT/run.err"
status=$?
if [ $status -eq 0 ]; then
	ok bench
else
	tail -n 20 "$OUT/run.log" "$OUT/run.err" | sed 's/^/     | /'
	fail bench "status $status: $OUT/run.log"
	exit 0
fi

in_tree python3 -B .ci/bench_results.py "$OUT/share/bench.json" || exit 1
# three ways in six pictures
verdict bench-plot "$OUT/plot" in_tree python3 -c '
import sys, xml.etree.ElementTree as tree
lines = tree.parse(sys.argv[1]).findall(".//{http://www.w3.org/2000/svg}polyline")
sys.exit(f"{len(lines)} lines instead of 18" if len(lines) != 18 else 0)' "$OUT/share/bench.svg"
