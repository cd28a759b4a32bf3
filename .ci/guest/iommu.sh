#!/bin/bash
# SPDX-License-Identifier: MIT
# iommu.sh: runs in the VM: the main job behind an IOMMU, after a look whether there is one.
# Leaves the kernel's log in /share/main-job-dmesg.

set -u

# DMA: translated and strict; DMA-FQ would be lazy, identity no translation at all
for device in /sys/class/drm/renderD*/device; do
	type=$(cat "$device/iommu_group/type" 2>&1)
	echo "$(readlink -f "$device"): IOMMU domain: $type"
	[ "$type" = DMA ] || exit 1
done

# the comparison with single userptrs has no part that is not in the job
/build/examples/main-job --no-skip --singles 0
status=$?
dmesg >/share/main-job-dmesg
exit $status
