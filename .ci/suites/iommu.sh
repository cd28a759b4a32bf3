# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The main job and the project's IGT tests with an IOMMU in front of the GPU, in strict mode:
# what the driver unmaps too early, the virtual GPU is refused, and the VM run fails.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

RUN_OPTIONS=(--iommu)
mkdir -p "$OUT/share"

start=$SECONDS
if guest "$OUT/main-job.log" bash /project/.ci/guest/iommu.sh; then
	ok main-job "$((SECONDS - start)) s"
fi

# of the grid of invalidations only the column with most pieces: what is mapped and unmapped
# is the same in the others, and each page is a message to the GPU's process
name=amd_userptr_batch
in_tree "$BUILD/igt-tests/$name" --list-subtests |
	grep -v '^invalidate-.*-\(front\|end\|one\|either-side\|all\)$' |
	sed "s/^/igt@$name@/" >"$OUT/share/list"
guest "$OUT/igt.log" bash /project/.ci/guest/igt.sh /build/igt-tests
in_tree python3 .ci/igt_results.py --expect igt-tests/expectations/own.txt --list "$OUT/share/list" \
	"$OUT/share/results/results.json" || exit 1
cat "$OUT"/share/{main-job-dmesg,dmesg} >"$OUT/dmesg"
kernel_log "$OUT/dmesg"
