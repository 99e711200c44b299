/* The process layer at boot. */
#ifndef PROC_INIT_H
#define PROC_INIT_H

#include "lib/base.h"

/* Caches, tables, up-calls of terminals and pipes, procfs. Before any file system is mounted by a
 * user. */
void proc_init(void);
/* Start pid 1 in a thread of its own. => the root is mounted */
void proc_start_init(void);
/* Nanoseconds from kernel entry to the first return of pid 1 to user space; 0: not yet. */
uint64_t proc_boot_ns(void);

#endif
