# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# To be sourced in the VM when the tests are over: what the debug flavour knows only then.
# Leaves kmemleak's list and lockdep's statistics in /share; nothing on the fast flavour.

if [ -w /sys/kernel/debug/kmemleak ]; then
	# what looks unreferenced is reported by the first scan after it has been so for 5 s
	sync
	echo scan >/sys/kernel/debug/kmemleak
	sleep 6
	echo scan >/sys/kernel/debug/kmemleak
	cat /sys/kernel/debug/kmemleak >/share/kmemleak
fi
if [ -e /proc/lockdep_stats ]; then
	cat /proc/lockdep_stats >/share/lockdep_stats
fi
