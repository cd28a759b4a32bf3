# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The project's IGT tests, by the real igt_runner in the VM.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

mkdir -p "$OUT/share"
for source in igt-tests/amd_*.c; do
	name=$(basename "$source" .c)
	in_tree "$BUILD/igt-tests/$name" --list-subtests | sed "s/^/igt@$name@/"
done >"$OUT/share/list"

guest "$OUT/vm.log" bash /project/.ci/guest/igt.sh /build/igt-tests
in_tree python3 .ci/igt_results.py --expect igt-tests/expectations/own.txt --list "$OUT/share/list" \
	"$OUT/share/results/results.json" || exit 1
kernel_log "$OUT/share/dmesg"
