# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Upstream's IGT binaries, as the distribution builds them, on the patched kernel. That they
# pass shows that the virtual GPU is faithful, and that the patch breaks nothing.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

tests=/usr/libexec/igt-gpu-tools
expect=igt-tests/expectations/upstream.txt

mkdir -p "$OUT/share"
sed -n 's/^\(amd_[a-z0-9_]*\)@.*/\1/p' "$expect" | LC_ALL=C sort -u | while read -r name; do
	in_tree "$tests/amdgpu/$name" --list-subtests | sed "s/^/igt@amdgpu\/$name@/"
done >"$OUT/all"
in_tree python3 .ci/igt_results.py --expect "$expect" --needs "$OUT/share/needs" \
	--select <"$OUT/all" >"$OUT/share/list" || exit 1

guest "$OUT/vm.log" bash /project/.ci/guest/igt.sh "$tests"
in_tree python3 .ci/igt_results.py --list "$OUT/all" --memory "$OUT/share/memory" \
	--expect "$expect" "$OUT/share/results/results.json" || exit 1
kernel_log "$OUT/share/dmesg"
