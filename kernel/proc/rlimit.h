/* Resource limits: getrlimit(2), setrlimit(2), prlimit(2). */
#ifndef PROC_RLIMIT_H
#define PROC_RLIMIT_H

#include "proc/process.h"

/* The most that RLIMIT_NOFILE may be: /proc/sys/fs/nr_open. */
#define NOFILE_MAX (1u << 20)

static inline uint64_t rlimit_get(const struct process *p, unsigned what)
{
	return READ_ONCE(p->rlimits[what].rlim_cur);
}

/* The limits of the first process. */
void rlimit_init(struct process *p);
/* Get and set in one step; either may be NULL. 0 or -EINVAL. May sleep. */
int rlimit_change(
	struct process *p, unsigned what, const struct abi_rlimit *set, struct abi_rlimit *old);
/* Give the limits of memory to an address space (exec, fork has them copied). => nobody else uses
 * ctx, or its lock is held */
void rlimit_to_context(const struct process *p, struct mm_context *ctx);
/* Name and unit for /proc/PID/limits; NULL: no such limit. */
const char *rlimit_name(unsigned what, const char **unit);

#endif
