# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# What every part of the harness shares: places, messages, exit statuses, the lock
# and the stage runner. Sourced, never run.

VM_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
PROJECT=$(dirname "$VM_DIR")
CACHE=${VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/amdgpu-userptr-batch}

# Exit statuses of the harness itself; everything else is the command's own.
# shellcheck disable=SC2034 # used by the files that source this one
{
	EX_USAGE=2
	EX_LOST=240		# the VM died, hung or was never heard of
	EX_NETWORK=241		# packages cannot be fetched
	EX_ROOT=242		# root is needed and not to be had
	EX_SPACE=243		# too little disk space
	EX_BUILD=244		# something did not build
	EX_QEMU=245		# QEMU is missing or does not start
	EX_GPU=246		# amdgpu did not come up on the virtual GPU
	EX_MEMORY=247		# too little memory for a guest
	EX_STRICT=248		# the command passed, the virtual GPU counted errors
}

QUIET=${VM_QUIET:-0}
stage_pid=
interactive=0
[ -t 2 ] && interactive=1

say() { [ "$QUIET" = 1 ] || printf 'run: %s\n' "$*" >&2; }

# die STATUS MESSAGE: one line on what is wrong, then exit with STATUS
die()
{
	local status=$1
	shift
	printf 'run: error: %s\n' "$*" >&2
	exit "$status"
}

# as_root CMD...: run it as root. need_root must have succeeded before.
as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -n -- "$@"
	fi
}

# need_root WHY: make sure that as_root works, ask for the password once
need_root()
{
	[ "$(id -u)" = 0 ] && return
	command -v sudo >/dev/null ||
		die $EX_ROOT "$1 needs root, and there is no sudo here: run it once as root"
	sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; } ||
		die $EX_ROOT "$1 needs root, and sudo refuses: run it once as root"
}

# need_space MIB WHY
need_space()
{
	local free
	mkdir -p "$CACHE" 2>/dev/null || die $EX_SPACE "cannot create $CACHE"
	free=$(df -Pk "$CACHE" | awk 'NR == 2 { print int($4 / 1024) }')
	[ "$free" -ge "$1" ] ||
		die $EX_SPACE "$2 needs $1 MiB of disk space in $CACHE, $free MiB are free"
}

# hash_of FILE...: one key for names and contents; names relative to the project
hash_of()
{
	(cd "$PROJECT" && sha256sum -- "$@") | sha256sum | cut -c1-16
}

# hash_text TEXT...
hash_text() { printf '%s\n' "$@" | sha256sum | cut -c1-16; }

# take_lock: one preparing process per cache; the lock ends with the process
take_lock()
{
	mkdir -p "$CACHE/log" 2>/dev/null || die $EX_SPACE "cannot create $CACHE"
	exec {lock_fd}>"$CACHE/lock"
	flock -n "$lock_fd" && return
	say "another run is preparing in $CACHE: waiting for it"
	flock "$lock_fd"
}

# hold_cache: what this process uses is not pruned by another one as long as it runs
hold_cache()
{
	mkdir -p "$CACHE" 2>/dev/null || die $EX_SPACE "cannot create $CACHE"
	exec {in_use}>>"$CACHE/in-use"
	flock -s "$in_use"
}

# prune KEEP OLD...: remove the OLD ones but KEEP, unless another process holds the cache
prune()
{
	local keep=$1 old
	shift
	if flock -n -x "$in_use"; then
		for old in "$@"; do
			[ "$old" = "$keep" ] || drop "$old"
		done
	fi
	flock -s "$in_use"
}

drop_lock() { exec {lock_fd}>&-; }

# kill_stage: end the running stage with all its children
kill_stage()
{
	[ -n "$stage_pid" ] || return 0
	kill -TERM -- "-$stage_pid" 2>/dev/null
	[ "$(id -u)" = 0 ] || sudo -n kill -TERM -- "-$stage_pid" 2>/dev/null
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		kill -0 -- "-$stage_pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL -- "-$stage_pid" 2>/dev/null
	stage_pid=
}

# explain LOG: the exit status that a failed stage's log speaks for
explain()
{
	if tail -n 200 "$1" | grep -q -i -e 'No space left on device' -e 'not have enough free space' -e ENOSPC; then
		echo "$EX_SPACE the disk is full"
	elif tail -n 200 "$1" | grep -q -e 'Could not resolve' -e 'Temporary failure resolving' \
		-e 'Failed to fetch' -e 'Cannot initiate the connection' -e 'Could not connect' \
		-e 'apt-get update.*failed' -e 'Unable to connect'; then
		echo "$EX_NETWORK packages cannot be fetched: is there a network, and a Debian mirror?"
	else
		echo "$EX_BUILD it failed"
	fi
}

# stage NAME WHAT CMD...: run CMD (usually a function) with its output in log/NAME.log.
# Shows one line with the time; if a function progress_NAME exists it prints a detail
# for the ticking line. Dies with a status of its own when CMD fails.
stage()
{
	local name=$1 what=$2 log start now rc why detail last=0 period=30
	shift 2
	log=$CACHE/log/$name.log
	start=$SECONDS
	[ "$interactive" = 0 ] || period=2
	set -m
	"$@" >"$log" 2>&1 </dev/null &
	stage_pid=$!
	set +m
	while kill -0 "$stage_pid" 2>/dev/null; do
		now=$((SECONDS - start))
		# a detail may cost as much as the stage's own work: not more often than it is seen
		if [ "$QUIET" != 1 ] && [ $((now - last)) -ge $period ]; then
			last=$now
			detail=
			! declare -F "progress_$name" >/dev/null || detail=$("progress_$name")
			if [ "$interactive" = 1 ]; then
				printf '\r\033[Krun: %s ... %d s %s' "$what" "$now" "$detail" >&2
			else
				say "$what ... $now s $detail"
			fi
		fi
		sleep 0.2
	done
	wait "$stage_pid"
	rc=$?
	stage_pid=
	[ "$interactive" = 1 ] && [ "$QUIET" != 1 ] && printf '\r\033[K' >&2
	if [ $rc -ne 0 ]; then
		why=$(explain "$log")
		[ "${why%% *}" != "$EX_BUILD" ] || tail -n 15 "$log" | sed 's/^/     | /' >&2
		die "${why%% *}" "$what: ${why#* } (log: $log)"
	fi
	say "$what: $((SECONDS - start)) s"
}

# drop DIR...: remove what an interrupted or replaced stage left, whoever owns it
drop()
{
	local d
	for d in "$@"; do
		[ -e "$d" ] || continue
		rm -rf --one-file-system -- "$d" 2>/dev/null || {
			need_root "removing $d"
			as_root rm -rf --one-file-system -- "$d"
		}
	done
}
