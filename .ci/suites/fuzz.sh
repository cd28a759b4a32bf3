# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The virtual GPU under libFuzzer with address and undefined-behaviour sanitizers: registers,
# rings, page tables, scheduler frames, messages of the socket. A short run, the same each
# time; with FUZZ_SECONDS=N for N seconds in all, from where the last such run ended.
# Nothing may be found: no bad access, no undefined behaviour, no leak, no input that takes
# longer than a minute, no allocation of more than 64 MiB, no process larger than 1 GiB.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

seeds=vgpu/tests/seeds
# target and number of inputs of a short run: some seconds each
targets=(regs:6000 gfx:8000 compute:8000 kiq:6000 sdma:1500 mes:4000 walk:4000 control:1500 socket:800)
seconds=${FUZZ_SECONDS:-0}
[[ "$seconds" =~ ^[0-9]{1,6}$ ]] || {
	fail fuzz "FUZZ_SECONDS is a number of seconds, not '$seconds'"
	exit 0
}

if ! in_tree sh -c 'command -v clang' >/dev/null 2>&1; then
	skip fuzz "no clang in the Debian tree"
	exit 0
fi
# more than the tree's own compiler builds by itself
if ! in_tree nice ninja -C "$BUILD" vgpu/tests/fuzz/vgpu-fuzz >"$OUT/build" 2>&1; then
	tail -n 20 "$OUT/build" | sed 's/^/     | /'
	fail fuzz-build "$OUT/build"
	exit 0
fi

# what was found is kept until somebody has looked at it
found=$CHECK_CACHE/fuzz-found
for t in "${targets[@]}"; do
	name=${t%:*}
	log=$OUT/$name.log
	if [ "$seconds" -gt 0 ]; then
		corpus=$CHECK_CACHE/fuzz-corpus/$name
		limit=(-max_total_time=$(((seconds + ${#targets[@]} - 1) / ${#targets[@]})))
	else
		corpus=$OUT/corpus/$name
		limit=(-runs="${t#*:}" -seed=1)
	fi
	mkdir -p "$corpus" "$found/$name"
	in_tree env VGPU_FUZZ="$name" ASAN_OPTIONS=quarantine_size_mb=16 \
		UBSAN_OPTIONS=print_stacktrace=1 \
		nice -n 15 "$BUILD/vgpu/tests/fuzz/vgpu-fuzz" "${limit[@]}" \
		-max_len=4096 -timeout=60 -malloc_limit_mb=64 -rss_limit_mb=1024 \
		-use_value_profile=0 -print_final_stats=1 -artifact_prefix="$found/$name/" \
		"$corpus" "$seeds/$name" >"$log" 2>&1
	status=$?
	inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	if [ $status -eq 0 ]; then
		ok "fuzz-$name" "${inputs:-?} inputs, coverage $(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -c6-)"
	else
		grep -m1 -A14 -E 'ERROR: |runtime error: |SUMMARY: ' "$log" | sed 's/^/     | /'
		fail "fuzz-$name" "status $status: $log; the input is in $found/$name"
	fi
done
