#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Makes the user-space form of amdgpu_drm.h with our addition, as the kernel's
# `make headers_install` would, without configuring the kernel tree.
#
# usage: install-header.sh LINUX PATCH OUTPUT
#   LINUX   kernel source tree; with or without PATCH applied; not changed
#   PATCH   amdgpu_drm.h.patch
#   OUTPUT  the header to write

set -eu

linux=$1
patch=$(realpath "$2")
output=$(realpath -m "$3")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

mkdir -p "$tmp/include/uapi/drm" "$tmp/scripts"
cp "$linux/include/uapi/drm/amdgpu_drm.h" "$tmp/include/uapi/drm/"
if ! grep -q DRM_IOCTL_AMDGPU_GEM_USERPTR_BATCH "$tmp/include/uapi/drm/amdgpu_drm.h"; then
	patch -s -d "$tmp" -p1 -i "$patch"
fi

# headers_install.sh looks for unifdef below its working directory
${CC:-cc} -O -w -o "$tmp/scripts/unifdef" "$linux/scripts/unifdef.c"
install=$(realpath "$linux/scripts/headers_install.sh")
cd "$tmp"
sh "$install" include/uapi/drm/amdgpu_drm.h "$output"
