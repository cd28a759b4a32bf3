# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# User space: libvfio-user, the patched libdrm, the project itself, and the VM's own two
# programs. Sourced after lib.sh, tree.sh and kernel.sh.

BUILD=			# set by project_prepare: the project's build directory
GUEST=			# set by guest_prepare: directory with supervise and initramfs
VFIO_USER=		# set by vfio_user_prepare: source directory
LIBDRM=			# set by libdrm_prepare: prefix

# vfio_user_prepare: the library lies inside QEMU's source package; the project compiles it
vfio_user_prepare()
{
	VFIO_USER=$CACHE/libvfio-user-$(hash_text "$(basename "$TREE")")
	[ -d "$VFIO_USER" ] && return
	drop "$VFIO_USER.tmp"
	mkdir -p "$VFIO_USER.tmp"
	stage vfio-user "libvfio-user's source" in_tree bash -c '
		tar -C "$1" --no-same-owner --strip-components=3 --wildcards \
			-xf /usr/src/debian/qemu_*.orig.tar.xz "*/subprojects/libvfio-user"' - "$VFIO_USER.tmp"
	mv -T "$VFIO_USER.tmp" "$VFIO_USER"
	prune "$VFIO_USER" "$CACHE/libvfio-user-"*
}

# libdrm_prepare: the archive's libdrm with our wrapper, and its own tests
libdrm_prepare()
{
	local files
	[ -x "$PROJECT/libdrm-patch/build" ] || return 0
	mapfile -t files < <(cd "$PROJECT" && find libdrm-patch include/uapi -type f ! -path '*/series/*' | LC_ALL=C sort)
	LIBDRM=$CACHE/libdrm-$(hash_text "$(basename "$TREE")" "$(hash_of "${files[@]}")")
	[ -d "$LIBDRM" ] && return
	stage libdrm "libdrm with its tests" in_tree bash -c '
		"$1/libdrm-patch/build" /usr/src/debian/libdrm_*.orig.tar.xz "$2" "$3/libdrm-work" "$4"
		r=$?; rm -rf "$3/libdrm-work"; exit $r' - "$PROJECT" "$SRC" "$CACHE" "$LIBDRM"
	prune "$LIBDRM" "$CACHE/libdrm-"*
}

# project_prepare: meson decides what is to be done
project_prepare()
{
	local options
	BUILD=$CACHE/build-$(hash_text "$PROJECT" "$(basename "$TREE")")
	mkdir -p "$BUILD"
	options=("-Dlinux=$SRC" "-Dvfio_user=$VFIO_USER" "-Dlibdrm=$LIBDRM")
	stage project "the project's programs" in_tree bash -ec '
		build=$1
		shift
		cd "$PROJECT"
		if [ "$(cat "$build/.options" 2>/dev/null)" != "$*" ] || [ ! -e "$build/build.ninja" ]; then
			rm -f "$build/.options"
			if [ -e "$build/build.ninja" ]; then
				meson setup --reconfigure "$@" "$build" .
			else
				meson setup --wipe "$@" "$build" . 2>/dev/null || {
					rm -rf "$build/meson-private" "$build/meson-info"
					meson setup "$@" "$build" .
				}
			fi
			echo "$*" >"$build/.options"
		fi
		nice ninja -C "$build"' - "$BUILD" "${options[@]}"
}

# guest_prepare: process 1 of the guest in an initramfs, and the host's supervisor
guest_prepare()
{
	GUEST=$CACHE/guest-$(hash_text "$(basename "$TREE")" \
		"$(hash_of vm/frame.h vm/guest/init.c vm/host/supervise.c vm/build.sh)")
	[ -d "$GUEST" ] && return
	drop "$GUEST.tmp"
	stage guest "the guest's init" guest_build "$GUEST.tmp"
	mv -T "$GUEST.tmp" "$GUEST"
	prune "$GUEST" "$CACHE/guest-"*
}

guest_build()
{
	mkdir -p "$1" &&
	in_tree bash -ec '
		cd "$1"
		mkdir root
		gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -s -o root/init "$2/guest/init.c"
		gcc -std=gnu11 -O2 -Wall -Wextra -Werror -o supervise "$2/host/supervise.c"
		(cd root && find . | cpio --quiet -o -H newc -R 0:0) | gzip -1 >initramfs
		rm -r root' - "$1" "$VM_DIR"
}

# prepare_until STAGE: everything up to STAGE, in the order in which faults show soonest
prepare_until()
{
	hold_cache
	tree_prepare
	[ "$1" != tree ] || return 0
	take_lock
	kernel_source
	if [ "$1" != source ]; then
		vfio_user_prepare
		libdrm_prepare
	fi
	case $1 in project | kernel) project_prepare ;; esac
	case $1 in
	kernel)
		guest_prepare
		kernel_prepare
		;;
	esac
	drop_lock
}

prepare_all() { prepare_until kernel; }
