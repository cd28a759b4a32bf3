#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs in the VM: loads the KUnit modules of amdgpu's userptr and leaves their results, one
# file a suite, in /share.

set -u
modules=$(find "/lib/modules/$(uname -r)/" -name 'amdgpu_userptr*_test.ko*' -o -name 'amdgpu_userptr*_kunit.ko*' |
	sed 's,.*/,,; s,\.ko.*,,' | sort)
[ -n "$modules" ] || {
	echo "no KUnit modules in /lib/modules/$(uname -r)" >&2
	exit 1
}
mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
modprobe kunit || exit 1
for m in $modules; do
	modprobe "$m" || exit 1
done
for r in /sys/kernel/debug/kunit/*/results; do
	[ -e "$r" ] || {
		echo "the modules ran no suite" >&2
		exit 1
	}
	suite=${r%/results}
	cat "$r" >"/share/${suite##*/}.ktap"
done
# shellcheck source=.ci/guest/debug.sh
. "$(dirname "${BASH_SOURCE[0]}")/debug.sh"
dmesg >/share/dmesg
