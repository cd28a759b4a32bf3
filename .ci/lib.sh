# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What the suites share: how a result is reported, how something is run in the Debian
# tree or in the VM. A suite sees the environment that prepare() exports:
#	PROJECT		the checkout
#	CHECK_KERNEL	flavour of the guest kernel: fast or debug
#	CHECK_CACHE	directory for what is kept between runs
#	SRC, OBJ	the patched kernel source and its objects
#	BUILD		the project's build directory
#	LIBDRM		prefix of the patched libdrm
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
	local log=$1 status
	shift
	./run --kernel "$CHECK_KERNEL" --share "$OUT/share" "${RUN_OPTIONS[@]}" -- "$@" >"$log" 2>&1
	status=$?
	[ $status -eq 0 ] || {
		tail -n 25 "$log" | sed 's/^/     | /'
		fail "$SUITE" "the VM run ended with status $status: $log"
	}
	return $status
}

# kernel_log FILE: what the guest's kernel must never say, whichever test made it
kernel_log()
{
	local bad='WARNING:|BUG:|Oops|INFO: task|INFO: possible|refcount_t|unreferenced object|Call Trace'
	if [ ! -s "$1" ]; then
		fail kernel-log "no log: $1"
	elif grep -E "$bad" "$1" >"$OUT/kernel-log"; then
		sed -n '1,10s/^/     | /p' "$OUT/kernel-log"
		fail kernel-log "$1"
	else
		ok kernel-log
	fi
}

# prepare FLAVOUR: everything that the suites need; ends the program with the harness's
# status and message if that is not possible
prepare()
{
	local part
	for part in lib tree kernel build boot; do
		# shellcheck source=/dev/null
		. "vm/$part.sh"
	done
	FLAVOUR=$1
	prepare_all
	CHECK_KERNEL=$FLAVOUR
	CHECK_CACHE=$CACHE/check
	CHECK_TREE=$TREE
	OBJ=$CACHE/obj-$FLAVOUR-$(basename "$SRC")
	export PROJECT CHECK_KERNEL CHECK_CACHE CHECK_TREE SRC OBJ BUILD LIBDRM
}

# in a suite: in_tree COMMAND... of the harness
if [ -n "${CHECK_TREE:-}" ]; then
	# shellcheck source=vm/lib.sh
	. vm/lib.sh
	# shellcheck source=vm/tree.sh
	. vm/tree.sh
	TREE=$CHECK_TREE
elif [ "${0%/*}" = .ci/suites ]; then
	echo "$0: to be run by ./check" >&2
	exit 2
fi
