# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The Debian tree: build environment, home of QEMU, and the guest's root file system.
# Read-only once it is made. Sourced after lib.sh.

TREE=			# set by tree_prepare
MIRROR=${VM_MIRROR:-}

# host_tools: the few programs that the machine itself must have
host_tools()
{
	local missing=() t

	for t in mmdebstrap:mmdebstrap bwrap:bubblewrap flock:util-linux; do
		command -v "${t%%:*}" >/dev/null || missing+=("${t#*:}")
	done
	[ ${#missing[@]} -eq 0 ] && return
	command -v apt-get >/dev/null ||
		die $EX_ROOT "${missing[*]} missing, and this machine has no apt-get to install them"
	need_root "installing ${missing[*]}"
	take_lock
	stage host "installing ${missing[*]}" host_install "${missing[@]}"
	drop_lock
}

host_install()
{
	as_root apt-get -q update &&
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@"
}

# mirror_of_machine: the base address of the Debian archive that this machine's apt uses
mirror_of_machine()
{
	apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
		awk '$3 == "Debian" && $2 !~ /-/ && $1 ~ /^(https?|ftp|file|copy):/ { print $1; exit }'
}

tree_key() { hash_of vm/tree.list vm/host/make-tree; }

# tree_version PACKAGE: the version that the tree has
tree_version()
{
	awk -v p="$1" '$1 == p { print $2 }' "$TREE/usr/src/debian/packages.txt"
}

progress_tree() { du -sm "$tree_tmp" 2>/dev/null | awk '{ print $1 " MiB" }'; }

# tree_prepare: sets TREE
tree_prepare()
{
	TREE=$CACHE/tree-$(tree_key)
	[ -d "$TREE" ] && return
	host_tools
	take_lock
	if [ ! -d "$TREE" ]; then
		tree_tmp=$TREE.tmp
		need_root "making the Debian tree"
		[ -n "$MIRROR" ] || MIRROR=$(mirror_of_machine)
		if [ -z "$MIRROR" ] && command -v apt-get >/dev/null; then
			# without lists apt does not know whose archive it has
			stage lists "apt's package lists" as_root apt-get -q update
			MIRROR=$(mirror_of_machine)
		fi
		[ -n "$MIRROR" ] ||
			die $EX_NETWORK "this machine's apt names no Debian mirror: give one with --mirror"
		need_space 2500 "the Debian tree"
		drop "$tree_tmp"
		stage tree "Debian tree" \
			as_root "$VM_DIR/host/make-tree" "$tree_tmp" "$MIRROR" "$VM_DIR/tree.list"
		mv -T "$tree_tmp" "$TREE" 2>/dev/null || as_root mv -T "$tree_tmp" "$TREE"
		prune "$TREE" "$CACHE/tree-"*
	fi
	drop_lock
}

# bind_around PATH PREFIX: show the tree's PREFIX with room for a mount at PATH below it.
# The tree is read-only, so a mount point that it lacks cannot be made inside a bind of it:
# every directory on the way to PATH is made anew and its other entries are bound singly.
bind_around()
{
	local path=$1 prefix=$2 entry name
	for entry in "$TREE$prefix"/* "$TREE$prefix"/.[!.]*; do
		[ -e "$entry" ] || [ -L "$entry" ] || continue
		name=$prefix/${entry##*/}
		case $name in
		/proc | /sys | /dev | /tmp | /run) continue ;;
		esac
		if [ -L "$entry" ]; then
			bwrap_args+=(--symlink "$(readlink "$entry")" "$name")
		elif [ -d "$entry" ] && on_the_way "$name"; then
			bind_around "$path" "$name"
		elif [ -r "$entry" ]; then
			bwrap_args+=(--ro-bind "$entry" "$name")
		fi
	done
}

on_the_way()
{
	local p
	for p in "${bind_paths[@]}"; do
		case $p/ in "$1"/*) return 0 ;; esac
	done
	return 1
}

# tree_args: fill bwrap_args: the tree read-only, the cache and the checkout at their own
# paths. EXTRA_BINDS (array) adds writable directories.
tree_args()
{
	local p
	bind_paths=("$CACHE" "$PROJECT" "${EXTRA_BINDS[@]}" "${EXTRA_RO_BINDS[@]}")
	bwrap_args=(--die-with-parent --unshare-pid --unshare-ipc)
	bind_around "" ""
	bwrap_args+=(--proc /proc --dev /dev --tmpfs /tmp --tmpfs /run --ro-bind-try /sys /sys)
	[ -w /dev/kvm ] && bwrap_args+=(--dev-bind /dev/kvm /dev/kvm)
	bwrap_args+=(--bind "$PROJECT" "$PROJECT" --bind "$CACHE" "$CACHE")
	for p in "${EXTRA_BINDS[@]}"; do
		bwrap_args+=(--bind "$p" "$p")
	done
	for p in "${EXTRA_RO_BINDS[@]}"; do
		bwrap_args+=(--ro-bind "$p" "$p")
	done
	bwrap_args+=(--setenv PATH /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		--setenv HOME /tmp --setenv PROJECT "$PROJECT" --setenv LC_ALL C.UTF-8 --unsetenv PYTHONPATH)
}
EXTRA_BINDS=()
EXTRA_RO_BINDS=()

# in_tree CMD...: run it inside the tree, in the current directory if that is visible there
in_tree() { (in_tree_exec "$@"); }

# in_tree_exec CMD...: the same in place of this shell: what started the shell is then the
# sandbox's parent, and the sandbox dies with its parent
in_tree_exec()
{
	local wrapper=(bwrap)
	tree_args
	if [ "$(id -u)" != 0 ] && ! bwrap --ro-bind / / true 2>/dev/null; then
		# no user namespaces for this user: root makes the mounts, the user does the work
		need_root "a sandbox without user namespaces"
		wrapper=(sudo -n bwrap)
		set -- setpriv --reuid="$(id -u)" --regid="$(id -g)" --clear-groups "$@"
	fi
	exec "${wrapper[@]}" "${bwrap_args[@]}" "$@"
}
