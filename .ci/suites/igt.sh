# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The project's IGT tests, by the real igt_runner in the VM.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

expect=igt-tests/expectations/own.txt

# run NAME SOURCE...: the tests in these files, in a VM of their own; of their subtests those
# that grep finds with the words of "which" (array)
which=(-e .)
run()
{
	local name=$1 source test
	shift
	mkdir -p "$OUT/share"
	for source in "$@"; do
		test=$(basename "$source" .c)
		in_tree "$BUILD/igt-tests/$test" --list-subtests | sed "s/^/igt@$test@/"
	done | grep "${which[@]}" >"$OUT/all"
	in_tree python3 .ci/igt_results.py --expect "$expect" --needs "$OUT/share/needs" \
		--select <"$OUT/all" >"$OUT/share/list" || exit 1

	# what takes a minute with 65536 ranges takes ten of them on the debug kernel
	guest "$OUT/vm-$name.log" bash /project/.ci/guest/igt.sh /build/igt-tests \
		"$([ "$CHECK_KERNEL" = fast ] || echo 1200)" "/project/$expect"
	in_tree python3 .ci/igt_results.py --shared --list "$OUT/all" --memory "$OUT/share/memory" \
		--expect "$expect" "$OUT"/share/results/*.json || exit 1
	kernel_log "$OUT/share/dmesg" "$name"
	debug_kernel "$OUT/share"
	mv "$OUT/share" "$OUT/$name"
}

# KFD takes a GPU only with the firmware of user queues alone, and queues that hang are noticed
# soon only if the driver is told so: see the suite userq
mapfile -t most < <(printf '%s\n' igt-tests/amd_*.c | grep -v -e _device -e _multi -e _kfd -e _reset)
# two NUMA nodes to move pages between, and memory to mount a DAX file system on
RUN_OPTIONS=(--append "numa=fake=2 memmap=64M!512M")
if [ "$CHECK_KERNEL" = fast ]; then
	run most "${most[@]}"
else
	# an hour in one VM: what is known after half of it should not be lost with the rest
	mapfile -t queues < <(printf '%s\n' "${most[@]}" | grep _userq)
	mapfile -t rings < <(printf '%s\n' "${most[@]}" | grep -v _userq)
	run rings "${rings[@]}"
	run queues "${queues[@]}"
fi
# those that reset, suspend and take away the device; a reset and user queues are in VMs of
# their own, or lockdep complains of Linux (docs/testing.md)
RUN_OPTIONS=()
which=(-v @unbind-queue)
run device igt-tests/amd_*_device.c
which=(-e @unbind-queue)
run device-queues igt-tests/amd_*_device.c
which=(-e .)
# and those for two devices
RUN_OPTIONS=(--gpus 2)
run multi igt-tests/amd_*_multi.c
