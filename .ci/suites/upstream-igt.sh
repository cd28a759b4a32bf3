# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Upstream's IGT binaries, as the distribution builds them, on the patched kernel. That they
# pass shows that the virtual GPU is faithful, and that the patch breaks nothing. Each
# subtest of each binary is run, or the file of expectations says why it is not. Sourced by
# upstream-igt-long, which runs those that take long.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

tests=/usr/libexec/igt-gpu-tools
expect=igt-tests/expectations/upstream.txt
long=${long-}

results() { in_tree python3 .ci/igt_results.py --expect "$expect" $long "$@"; }

# list: all subtests; a binary that lists none is a failure
list()
{
	local binary name found
	for binary in $(in_tree find "$tests/amdgpu" -type f -executable | LC_ALL=C sort); do
		name=${binary##*/}
		if found=$(in_tree "$binary" --list-subtests 2>"$OUT/stderr-list") && [ -n "$found" ]; then
			sed "s/^/igt@amdgpu\/$name@/" <<<"$found" >>"$OUT/all"
		else
			fail "$name" "it lists no subtests: $OUT/stderr-list"
		fi
	done
}

# run VM OPTIONS...: the subtests that belong into this VM, with these options of ./run
run()
{
	local vm=$1
	shift
	mkdir -p "$OUT/share"
	results --vm "$vm" --needs "$OUT/share/needs" --select <"$OUT/all" >"$OUT/share/list" || exit 1
	if [ -s "$OUT/share/list" ]; then
		RUN_OPTIONS=("$@")
		guest "$OUT/vm-$vm.log" bash /project/.ci/guest/igt.sh "$tests" "${long:+900}"
		results --vm "$vm" --list "$OUT/all" --memory "$OUT/share/memory" \
			"$OUT/share/results/results.json" || exit 1
		kernel_log "$OUT/share/dmesg" "$vm"
	fi
	mv "$OUT/share" "$OUT/$vm"
}

list
results --rest <"$OUT/all" || exit 1
run one
run two --gpus 2
# user queues without the kernel's rings beside them
run userq --module-args "fw_load_type=0 dpm=1 dc=0 user_queue=2 lockup_timeout=30000"
# jobs that hang on purpose: the driver shall not wait long for them
run hang --module-args "fw_load_type=0 dpm=1 dc=0 user_queue=1 lockup_timeout=3000"
# those that take the device away; and what needs two SDMA engines (as many as that board has), or jobs
# for the constant engine: debug_mask=0x400
run life --gpu-args "--sdma 2" \
	--module-args "fw_load_type=0 dpm=1 dc=0 user_queue=1 lockup_timeout=30000 debug_mask=0x400"
