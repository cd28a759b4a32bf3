# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What is left when the driver is taken from the devices, unloaded, or the machine sleeps:
# with two GPUs, and with one behind an IOMMU, where what is mapped is counted.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

# run NAME OPTIONS...: all of it in a VM with these options of ./run
run()
{
	local name=$1
	shift
	mkdir -p "$OUT/share"
	RUN_OPTIONS=(--no-amdgpu --ram 4096 "$@")
	guest "$OUT/vm-$name.log" bash /project/.ci/guest/residue.sh
	sed -n "s/^\(ok\|FAIL\) /\1 $name-/p" "$OUT/vm-$name.log"
	kernel_log "$OUT/share/dmesg" "$name"
	mv "$OUT/share" "$OUT/$name"
}

run two --gpus 2
run iommu --iommu
