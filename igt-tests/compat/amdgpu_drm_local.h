/* SPDX-License-Identifier: MIT */
/*
 * In an IGT tree the file of this name has what is missing in its amdgpu_drm.h. The
 * one that is used here, made from a kernel with the new ioctl, has it all.
 */
