/* SPDX-License-Identifier: MIT */
/*
 * IGT's file of this name has the packets of the command processor. Here it is the
 * kernel's own description of them.
 */
#ifndef COMPAT_AMD_PM4_H
#define COMPAT_AMD_PM4_H

#include "nvd.h"

#endif
