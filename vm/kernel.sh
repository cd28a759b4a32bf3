# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# The guest kernel: source from the tree's package (or one's own), the project's files and
# hooks on top, one object directory per flavour. Sourced after lib.sh and tree.sh.

LINUX_DIR=${VM_LINUX:-}		# one's own kernel tree, or empty
FLAVOUR=fast			# fast or debug
SRC=				# set by kernel_source: the source that is built
KERNEL=				# set by kernel_prepare: directory with bzImage, config, modules

kernel_series() { sed -n 's/.*\(linux-source-[0-9.]*\).*/\1/p' "$VM_DIR/tree.list" | head -n 1; }

# overlay_files: the project's files that go into the kernel, relative to the project
overlay_files()
{
	(cd "$PROJECT" && find drivers include -type f \
		\( -name '*.[ch]' -o -name '*.rst' -o -name '*.patch' -o -name 'Makefile' -o -name 'Kconfig*' -o -name '.kunitconfig' \) \
		2>/dev/null | LC_ALL=C sort)
}

overlay_key()
{
	local files
	mapfile -t files < <(overlay_files)
	hash_of vm/host/sync-source "${files[@]}"
}

kernel_unpack()
{
	local tmp=$1
	mkdir -p "$tmp" &&
	in_tree tar --no-same-owner -C "$tmp" --strip-components=1 -xf "/usr/src/$(kernel_series).tar.xz"
}

progress_linux() { du -sm "$SRC.tmp" 2>/dev/null | awk '{ print $1 " MiB" }'; }

# kernel_source: unpack once, then lay the project's files over it. Sets SRC.
# The files that the project changes are kept as they were in SRC.orig.
kernel_source()
{
	if [ -n "$LINUX_DIR" ]; then
		LINUX_DIR=$(cd "$LINUX_DIR" 2>/dev/null && pwd -P) && [ -e "$LINUX_DIR/Kbuild" ] ||
			die $EX_USAGE "--linux: not a kernel source tree"
		SRC=$CACHE/linux-own-$(hash_text "$LINUX_DIR")
		EXTRA_RO_BINDS+=("$LINUX_DIR")
	else
		SRC=$CACHE/linux-$(tree_version "$(kernel_series)" | tr -c "a-zA-Z0-9.\n" _)
		if [ ! -d "$SRC" ]; then
			need_space 2500 "the kernel source"
			drop "$SRC.tmp"
			stage linux "kernel source" kernel_unpack "$SRC.tmp"
			mv -T "$SRC.tmp" "$SRC"
		fi
	fi
	SYNC_KEY=$(overlay_key)
	[ -z "$LINUX_DIR" ] && [ "$(cat "$SRC.synced" 2>/dev/null)" = "$SYNC_KEY" ] && return
	rm -f "$SRC.synced"
	stage sync "the project's files into the kernel source" \
		in_tree bash "$VM_DIR/host/sync-source" "$PROJECT" "$SRC" "$LINUX_DIR"
	echo "$SYNC_KEY" >"$SRC.synced"
}

# fragments: the configuration files of this flavour, in order
fragments()
{
	local kunit=$PROJECT/drivers/gpu/drm/amd/amdgpu/tests/.kunitconfig
	echo "$VM_DIR/kernel/fast.config"
	[ "$FLAVOUR" = fast ] || echo "$VM_DIR/kernel/$FLAVOUR.config"
	[ ! -e "$kunit" ] || echo "$kunit"
}

# kernel_config OBJ: tinyconfig and our fragments; fails when an option did not come out as asked
kernel_config()
{
	local files
	mapfile -t files < <(fragments)
	in_tree bash "$VM_DIR/host/kernel-config" "$SRC" "$1" "${files[@]}"
}

kernel_make()
{
	local obj=$1 out=$2
	kernel_config "$obj" &&
	in_tree bash "$VM_DIR/host/kernel-make" "$SRC" "$obj" "$out"
}

progress_kernel()
{
	local n total=
	n=$(grep -c -E '^  (CC|AS|AR|LD)' "$CACHE/log/kernel.log")
	# from nothing it is about so many
	[ -e "$kernel_obj/.complete" ] || total=" of about 3000"
	echo "$n$total objects"
}

# kernel_prepare: build what changed. Sets KERNEL.
kernel_prepare()
{
	local key obj old
	obj=$CACHE/obj-$FLAVOUR-$(basename "$SRC")
	key=$(hash_text "$(basename "$SRC")" "$SYNC_KEY" "$(fragments | xargs -d '\n' cat "$VM_DIR/host/kernel-"* | sha256sum)")
	KERNEL=$CACHE/kernel-$FLAVOUR-$key
	[ -z "$LINUX_DIR" ] && [ -d "$KERNEL" ] && return
	[ -d "$obj" ] || need_space "$([ "$FLAVOUR" = fast ] && echo 1500 || echo 3500)" "the kernel build"
	rm -rf "$KERNEL.tmp"
	mkdir -p "$obj"
	kernel_obj=$obj
	stage kernel "kernel ($FLAVOUR)" kernel_make "$obj" "$KERNEL.tmp"
	touch "$obj/.complete"
	rm -rf "$KERNEL"
	mv -T "$KERNEL.tmp" "$KERNEL"
	# the last three of this flavour stay: going back and forth is common
	mapfile -t old < <(find "$CACHE" -maxdepth 1 -name "kernel-$FLAVOUR-*" -printf '%T@ %p\n' |
		sort -rn | sed '1,3d; s/^[^ ]* //')
	prune "$KERNEL" "${old[@]}"
}
