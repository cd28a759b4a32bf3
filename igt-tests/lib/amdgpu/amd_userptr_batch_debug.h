/* SPDX-License-Identifier: MIT */
/*
 * What tests of batch userptr BOs need of a kernel built for debugging: settings
 * that are put back, faults on demand, traces.
 */
#ifndef AMD_USERPTR_BATCH_DEBUG_H
#define AMD_USERPTR_BATCH_DEBUG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_PARAMETERS "/sys/module/amdgpu/parameters/"

bool batch_kernel_is_slow(void);

/* settings of the system, which outlive no test */
bool batch_setting(const char *path, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool batch_setting_undo(const char *path, const char *value, const char *undo);
void batch_remove_at_exit(const char *dir);
void batch_settings_restore(void);
bool batch_write_file(const char *path, const char *text);
bool batch_read_file(const char *path, char *text, size_t size);
bool batch_read_u64(const char *path, uint64_t *value);

/* faults */
enum batch_fault {
	BATCH_FAULT_SLAB,	/* an object of the slab allocator is not to be had */
	BATCH_FAULT_PAGES,	/* pages are not to be had */
	BATCH_FAULT_USERCOPY,	/* user memory cannot be read or written */
};

void batch_fault_select(enum batch_fault fault);
void batch_fault_arm(unsigned int nth);
bool batch_fault_disarm(void);
void batch_inject_select(const char *function, int error);
void batch_inject_arm(unsigned int nth);
bool batch_inject_disarm(void);
bool batch_injectable(void (*seen)(const char *function, void *data), void *data);

/* traces of the driver's events */
void batch_trace_start(void);
void batch_trace_clear(void);
unsigned int batch_trace_count(const char *event, const char *fields);

#endif
