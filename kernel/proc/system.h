/* What the system says about itself: uname(2), sysinfo(2), /proc/meminfo. */
#ifndef PROC_SYSTEM_H
#define PROC_SYSTEM_H

#include "abi/utsname.h"
#include "lib/base.h"

#define SYSTEM_NAME    "Linux" /* the ABI's name: programs look at it */
#define SYSTEM_RELEASE "6.1.0-quire"
#define SYSTEM_MACHINE "x86_64"

const char *system_version(void);
void system_uname(struct abi_utsname *u);
/* Names: copies of at most UTS_LEN bytes. */
void system_get_hostname(char buf[UTS_LEN + 1]);
void system_set_hostname(const char *name, size_t len);
void system_set_domainname(const char *name, size_t len);

struct system_memory {
	uint64_t total, free, available; /* pages */
	uint64_t cached, buffers, shmem, anon, slab, dirty, writeback;
};
void system_memory(struct system_memory *m);

#endif
