#!/bin/bash
# SPDX-License-Identifier: MIT
# residue.sh: runs in the VM, started without amdgpu: loads it, takes the devices from the driver and gives them back, loads
# the module again, suspends, with work before and after each, and looks what is left.
# Prints result lines; leaves the kernel's log in /share/dmesg.

set -u

# rounds after the first one, of what takes long less
TIMES=3 TIMES_ASLEEP=1
# what the kernel may keep or take more of in all rounds but the first, KiB: a device that
# leaks a page table, a ring or a file a round is far above
SLACK=2048

mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
ls /sys/kernel/debug/tracing >/dev/null
log=/tmp/residue

ok() { printf 'ok %s\n' "$1${2:+ ($2)}"; }
fail() { printf 'FAIL %s\n' "$1 ($2)"; }

# work: jobs on kernel rings and user queues of each device, with batches
work()
{
	local slot
	for slot in "${slots[@]}"; do
		IGT_DEVICE="sys:$(readlink -f "/sys/bus/pci/devices/$slot")" \
			timeout 120 /usr/libexec/igt-gpu-tools/amdgpu/amd_basic --run-subtest cs-compute-with-IP-COMPUTE-UMQ || return
	done
	if [ ${#slots[@]} -gt 1 ]; then
		timeout 120 /build/igt-tests/amd_userptr_batch_multi --run-subtest same-memory
	else
		timeout 120 /build/igt-tests/amd_userptr_batch --run-subtest invalidate-dontneed-one
	fi
} >"$log" 2>&1

# held: what there is only while a driver has a device, a line for each
held()
{
	ls -d /sys/kernel/debug/dri/0000:* /sys/class/drm/card* /sys/class/drm/renderD* \
		/dev/dri/card* /dev/dri/renderD* 2>/dev/null
	grep -l amdgpu /sys/class/hwmon/*/name 2>/dev/null
	grep -o 'amdgpu.*' /proc/interrupts
}

# memory: what the kernel has for itself, KiB; other things than leaks move it a little
memory()
{
	sync
	echo 3 >/proc/sys/vm/drop_caches
	# what is freed after a grace period, or by a worker
	sleep 0.5
	awk '/^(SUnreclaim|PageTables|VmallocUsed|Percpu|KernelStack):/ { n += $2 }
		END { print n }' /proc/meminfo
}

counter() { /build/vgpu/vgpu-control counters 2>/dev/null | awk -v what="$1" 'index($0, what) { print $1 }'; }

# What the virtual GPU has of the driver: queues and interrupt rings that can be rung; and
# memory, if there is an IOMMU
doorbells() { echo "$(counter 'doorbells bound now') doorbells"; }
ranges() { echo "$(counter 'DMA ranges mapped now') DMA ranges"; }

# equal NAME WHAT BEFORE AFTER
equal()
{
	if [ "$3" = "$4" ]; then
		ok "$1-$2" "$(head -n 1 <<<"$3")"
	else
		fail "$1-$2" "before: ${3//$'\n'/, }; after: ${4//$'\n'/, }"
	fi
}

take()
{
	local slot
	for slot in "${slots[@]}"; do
		echo "$slot" >/sys/bus/pci/drivers/amdgpu/unbind || return
	done
}

give()
{
	local slot
	for slot in "${slots[@]}"; do
		echo "$slot" >/sys/bus/pci/drivers/amdgpu/bind || return
	done
}

# take, give; unload, load: the driver from the devices, and to them
unload() { rmmod amdgpu; }
load() { modprobe amdgpu; }

# sleep_to STATE [TEST]: a real sleep ends by the clock or the harness
sleep_to()
{
	if [ -n "${2:-}" ]; then
		echo 1 >/sys/module/suspend/parameters/pm_test_delay 2>/dev/null
		local status=0
		echo "$2" >/sys/power/pm_test || return
		echo "$1" >/sys/power/state || status=1
		echo none >/sys/power/pm_test
		return $status
	fi
	rtcwake -m "$1" -s 4
}

# rounds NAME GO COME: TIMES times GO and COME, with work in between. Nothing may be held
# while the driver is away, what the virtual GPU holds included.
rounds()
{
	local name=$1 go=$2 come=$3 i first=0 last=0 held gone='' once='' doorbells='' ranges=''

	held=$(held)
	for ((i = 0; i <= TIMES; i++)); do
		if ! $go >"$log" 2>&1; then
			fail "$name" "round $i: $go: $(tail -n 1 "$log")"
			return
		fi
		gone=$(held) doorbells=$(doorbells) ranges=$(ranges)
		# the driver switches its interrupt rings off, but leaves them their doorbells
		[ $i -gt 0 ] || once=$doorbells
		last=$(memory)
		[ $i -gt 0 ] || first=$last
		if ! $come >"$log" 2>&1; then
			fail "$name" "round $i: $come: $(tail -n 1 "$log")"
			return
		fi
		if ! work; then
			fail "$name" "round $i: a job: $(grep -m 1 -E 'FAIL|CRITICAL' "$log")"
			return
		fi
	done
	ok "$name" "$((TIMES + 1)) times"
	equal "$name" held "$held" "$(held)"
	equal "$name" gone "" "$gone"
	equal "$name" doorbells "$once" "$doorbells"
	equal "$name" ranges "$before" "$ranges"
	if [ $((last - first)) -le $SLACK ]; then
		ok "$name-memory" "$((last - first)) KiB more after $TIMES more rounds"
	else
		fail "$name-memory" "$((last - first)) KiB more after $TIMES more rounds"
	fi
}

# asleep NAME STATE [TEST]: several times, with work in between; everything is as before
asleep()
{
	local name=$1 i held doorbells first=0 last=0
	shift

	held=$(held) doorbells=$(doorbells)
	for ((i = 0; i <= TIMES_ASLEEP; i++)); do
		if ! sleep_to "$@" >"$log" 2>&1; then
			fail "$name" "round $i: $(tail -n 1 "$log")"
			return
		fi
		if ! work; then
			fail "$name" "round $i: a job: $(grep -m 1 -E 'FAIL|CRITICAL' "$log")"
			return
		fi
		last=$(memory)
		[ $i -gt 0 ] || first=$last
	done
	ok "$name" "$((TIMES_ASLEEP + 1)) times"
	equal "$name" held "$held" "$(held)"
	equal "$name" doorbells "$doorbells" "$(doorbells)"
	if [ $((last - first)) -le $SLACK ]; then
		ok "$name-memory" "$((last - first)) KiB more after $TIMES_ASLEEP more rounds"
	else
		fail "$name-memory" "$((last - first)) KiB more after $TIMES_ASLEEP more rounds"
	fi
}

# one function: bash reads a script as it goes
main()
{
	before=$(ranges)
	equal before held "" "$(held)"
	load || return
	mapfile -t slots < <(cd /sys/bus/pci/drivers/amdgpu && ls -d 0000:*)
	if ! work; then
		fail work "$(grep -m 1 -E 'FAIL|CRITICAL' "$log")"
		return
	fi
	ok work "$before"
	rounds unbind take give
	rounds unload unload load
	asleep devices freeze devices
	asleep core mem core
	asleep s2idle freeze
	asleep s3 mem
	rounds unload-after-sleep unload load
}

main
dmesg >/share/dmesg
