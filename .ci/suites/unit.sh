# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Unit tests of what runs in user space: meson's, and libdrm's own with our patch.

# shellcheck source=.ci/lib.sh
. .ci/lib.sh

# a failed test is a line of its own, so meson's status is not looked at
in_tree nice meson test -C "$BUILD" -j2 >"$OUT/meson.log" 2>&1
cp "$BUILD/meson-logs/testlog.json" "$OUT/" || exit 1
in_tree python3 .ci/meson_results.py "$OUT/testlog.json" || exit 1

# its tests are part of its build, which is kept only if they pass
if [ -e "$LIBDRM/.made-from" ]; then
	ok libdrm "its own tests passed when it was built"
else
	fail libdrm "there is no patched libdrm in $LIBDRM"
fi
