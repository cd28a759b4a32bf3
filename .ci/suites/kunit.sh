# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The kernel's own unit tests, as modules in the VM.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

mkdir -p "$OUT/share"
# range arithmetic needs no GPU, and must not
RUN_OPTIONS=(--no-gpu)
guest "$OUT/vm.log" bash /project/.ci/guest/kunit.sh || exit 0
in_tree python3 .ci/ktap_results.py "$OUT"/share/*.ktap || exit 1
kernel_log "$OUT/share/dmesg"
debug_kernel "$OUT/share"
