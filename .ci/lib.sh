# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the suites share: how a result is reported, how something is run in the Debian
# tree or in the VM. A suite sees the environment that prepare() exports:
#	PROJECT		the checkout
#	CHECK_KERNEL	flavour of the guest kernel: fast or debug
#	CHECK_CACHE	directory for what is kept between runs
#	SRC		the patched kernel source
#	KERNEL		the built kernel, with its config and modules
#	BUILD		the project's build directory
#	LIBDRM		prefix of the patched libdrm
#	VM_LOGS		where each VM leaves a directory with its logs
#	OUT		a directory of the suite's own, empty at first

ok() { printf 'ok %s\n' "$1${2:+ ($2)}"; }
fail() { printf 'FAIL %s\n' "$1 ($2)"; }
skip() { printf 'skip %s\n' "$1 ($2)"; }

# verdict NAME LOG COMMAND...: ok if COMMAND succeeds; its output is the reason otherwise
verdict()
{
	local name=$1 log=$2 status
	shift 2
	"$@" >"$log" 2>&1
	status=$?
	if [ $status -eq 0 ]; then
		ok "$name"
	else
		sed -n '1,12s/^/     | /p' "$log"
		fail "$name" "status $status: $log"
	fi
}

# project_files: what belongs to the project, tracked or about to be
project_files()
{
	if ! git ls-files -co --exclude-standard 2>/dev/null; then
		find . -type f ! -path './.git/*' | sed 's,^\./,,'
	fi | LC_ALL=C sort -u | while IFS= read -r f; do
		[ -f "$f" ] && printf '%s\n' "$f"
	done
}

# guest LOG COMMAND...: run it in the VM; OUT/share is /share there; RUN_OPTIONS (array) are
# more options of ./run. A failure is a result line of its own.
RUN_OPTIONS=()
guest()
{
	local log=$1 status limit=1800
	shift
	# two to three times what the longest of them takes: a driver that recovers for ever is heard for ever
	[ "$CHECK_KERNEL" = fast ] || limit=10800
	./run --kernel "$CHECK_KERNEL" --timeout $limit --share "$OUT/share" "${RUN_OPTIONS[@]}" -- "$@" >"$log" 2>&1
	status=$?
	[ $status -eq 0 ] || {
		tail -n 25 "$log" | sed 's/^/     | /'
		fail "$SUITE" "the VM run ended with status $status: $log"
	}
	return $status
}

# kernel_log FILE [SUFFIX]: what the guest's kernel must never say, whichever test made it
kernel_log()
{
	local name=kernel-log${2:+-$2}
	local bad='WARNING:|BUG:|Oops|INFO: task|INFO: possible|refcount_t|unreferenced object|Call Trace'
	if [ ! -s "$1" ]; then
		fail "$name" "no log: $1"
	elif grep -E "$bad" "$1" >"$OUT/$name"; then
		sed -n '1,10s/^/     | /p' "$OUT/$name"
		fail "$name" "$1"
	else
		ok "$name"
	fi
}

# debug_kernel DIR: what the debug flavour found out by the end, left there by guest/debug.sh:
# memory that nothing refers to, and whether lockdep looked until then
debug_kernel()
{
	[ "$CHECK_KERNEL" = debug ] || return 0
	if [ ! -e "$1/kmemleak" ]; then
		fail kmemleak "no list: $1/kmemleak"
	elif ! awk -v RS='unreferenced object ' -v out="$OUT/leaks" '
		NR > 1 { n++; if (/amdgpu_user[pq]/) { bad++; print RS $0 > out } }
		END { print n + 0 > (out ".count"); exit bad > 0 }' "$1/kmemleak"; then
		sed -n '1,24s/^/     | /p' "$OUT/leaks"
		fail kmemleak "memory of userptr batches or user queues is lost: $1/kmemleak"
	else
		ok kmemleak "$(cat "$OUT/leaks.count") other objects: $1/kmemleak"
	fi
	if grep -q 'debug_locks: *1$' "$1/lockdep_stats" 2>/dev/null; then
		ok lockdep
	else
		fail lockdep "it is off: the kernel log says why"
	fi
}

# in_tree COMMAND...: run it in the Debian tree
in_tree() { vm/in-tree "$@"; }

# prepare FLAVOUR: everything that the suites need; ends the program with the harness's
# status, after its message, if that is not possible
prepare()
{
	local places
	places=$(vm/prepare --kernel "$1") || exit
	eval "$places"
	PROJECT=$PWD
	CHECK_KERNEL=$1
	CHECK_CACHE=$CACHE/check
	VM_LOGS=$CACHE/log/vm
	export PROJECT CHECK_KERNEL CHECK_CACHE VM_LOGS SRC KERNEL BUILD LIBDRM
}

if [ "${0%/*}" = .ci/suites ] && [ -z "${CHECK_CACHE:-}" ]; then
	echo "$0: to be run by ./check" >&2
	exit 2
fi
