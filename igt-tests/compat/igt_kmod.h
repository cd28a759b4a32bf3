/* SPDX-License-Identifier: MIT */
/*
 * What the tests use of IGT's file of this name, which igt.h does not include.
 */
#ifndef COMPAT_IGT_KMOD_H
#define COMPAT_IGT_KMOD_H

int igt_kmod_load(const char *mod_name, const char *opts);

#endif
