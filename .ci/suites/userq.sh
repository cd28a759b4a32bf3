# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# User queues with the driver in other moods than the suite igt has it: page tables written
# by the CPU, no kernel rings at all, no power management, little patience with queues that hang,
# resets that VRAM outlives (mode 2).

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

expect=igt-tests/expectations/own.txt
always="fw_load_type=0 dc=0"
# as in vm/boot.sh; and what is enough for the jobs of one test
patience=lockup_timeout=30000 impatience=lockup_timeout=3000

# what the driver is loaded with, and how the names of the subtests begin that are run then, of
# all that have to do with user queues
modes()
{
	cat <<-EOF
	update-by-cpu|$patience dpm=1 user_queue=1 vm_update_mode=3|replace|follow-one|follow-dontneed|storm|order|busy|gone
	no-kernel-rings|$patience dpm=1 user_queue=2|follow-one|many|bo-first|copy|order|busy|gone|acquire
	no-power-management|$patience dpm=0 user_queue=1|bo-first|busy
	hangs|$impatience dpm=1 user_queue=1|hang|reset|sleep
	graphics-reset|$impatience dpm=1 user_queue=1 reset_method=3|reset
	EOF
}

for source in igt-tests/amd_*_userq*.c igt-tests/amd_userptr_batch_kfd.c; do
	name=$(basename "$source" .c)
	in_tree "$BUILD/igt-tests/$name" --list-subtests | sed "s/^/igt@$name@/"
done >"$OUT/all"

while IFS='|' read -r mode args pattern; do
	rm -rf "$OUT/share"
	mkdir -p "$OUT/share"
	in_tree python3 .ci/igt_results.py --expect "$expect" --select <"$OUT/all" |
		grep -E "@($pattern)(-|$)" >"$OUT/share/list" || {
		skip "$mode" "none of its tests is to be run, by $expect"
		continue
	}
	RUN_OPTIONS=(--module-args "$always $args")
	# the driver has to come up before anything else
	guest "$OUT/vm-$mode.log" bash /project/.ci/guest/igt.sh /build/igt-tests </dev/null || continue
	ok "$mode" "modprobe amdgpu $args"
	in_tree python3 .ci/igt_results.py --list "$OUT/share/list" --expect "$expect" \
		"$OUT/share/results/results.json" || exit 1
	kernel_log "$OUT/share/dmesg"
	mv "$OUT/share" "$OUT/$mode"
done < <(modes)
