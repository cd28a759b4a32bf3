#!/bin/bash
# SPDX-License-Identifier: MIT
# igt.sh FOLDER [SECONDS [EXPECT]]: runs in the VM: the tests of /share/list, which lie in FOLDER,
# by igt_runner, each for at most SECONDS (default 300), but for those that need more memory by
# /share/needs (lines "TEST GIB"). With EXPECT, the file of expectations, one process runs all
# subtests of a program.
# Leaves results.json in /share/results, second.json beside it if there was a second run, and
# the kernel's log in /share/dmesg.

set -u
tests=$1 limit=${2:-300} expect=${3:-}

mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
echo "$VM_RAM_MIB" >/share/memory

# what needs more memory than there is would fail
list=/share/list
if [ -e /share/needs ]; then
	list=/tmp/list
	awk -v have="$VM_RAM_MIB" 'FILENAME == "/share/needs" { need[$1] = $2 * 1024; next }
		need[$1] <= have' /share/needs /share/list >$list
fi

# what some subtests need; huge pages only where somebody asks for them
echo 32 >/proc/sys/vm/nr_hugepages
echo madvise >/sys/kernel/mm/transparent_hugepage/enabled

# some subtests read sysfs by "sudo cat"
printf '#!/bin/sh\nexec "$@"\n' >/usr/local/bin/sudo
chmod +x /usr/local/bin/sudo

# libigt looks for tracing in debugfs, and the kernel warns of its first use there
ls /sys/kernel/debug/tracing >/dev/null

# kmemleak's own scans come every ten minutes and take one of two CPUs for minutes;
# debug.sh scans when the tests are over
[ ! -w /sys/kernel/debug/kmemleak ] || echo scan=off >/sys/kernel/debug/kmemleak

# Half of a short subtest is the loading of libigt's 40 libraries over 9p, so they lie in memory
libs=/tmp/libs
mkdir -p $libs
first=$(sed -n '1s/^igt@\([^@]*\).*/\1/p' $list)
ldd "$tests/$first" | grep -o '/[^ ]*' | xargs -r cp -Lt $libs

# run NAME LIST OPTION...: Results are written to memory and copied: many small synchronous
# writes over 9p are slow
results=/tmp/igt-results
run()
{
	local name=$1 list=$2 status
	shift 2
	LD_LIBRARY_PATH=$libs igt_runner --overwrite --inactivity-timeout "$limit" --per-test-timeout "$limit" \
		--disk-usage-limit 64M --abort-on-monitored-error=taint "$@" --test-list "$list" \
		"$tests" "$results" >>/share/runner.log 2>&1
	status=$?
	cp "$results/results.json" "/share/results/$name.json" || return 2
	# 1 is "some test failed", which the results tell better
	[ $status -le 1 ]
}

rm -rf /share/results /share/runner.log
mkdir -p /share/results
status=0
if [ -n "$expect" ]; then
	# Most of a short subtest is its process. But a subtest that fails may leave things behind
	# that make those after it fail: these get processes of their own.
	run results $list --multiple-mode || status=$?
	python3 -B "$(dirname "${BASH_SOURCE[0]}")/../igt_results.py" --again --expect "$expect" \
		--list $list /share/results/results.json >/tmp/again || status=$?
	[ ! -s /tmp/again ] || run second /tmp/again || status=$?
else
	run results $list || status=$?
fi
# shellcheck source=.ci/guest/debug.sh
. "$(dirname "${BASH_SOURCE[0]}")/debug.sh"
dmesg >/share/dmesg
exit $status
