/* Usage in Linux's form: getrusage(2), wait4(2), times(2). */
#ifndef PROC_RUSAGE_H
#define PROC_RUSAGE_H

#include "proc/process.h"

/* ru_maxrss stays 0: see rusage_maxrss. */
void rusage_fill(const struct process_usage *u, struct abi_rusage *ru);
/* Resident pages of the caller now, in KiB: no peak is kept. May sleep. */
int64_t rusage_maxrss(void);
/* who: RUSAGE_*. 0 or -EINVAL. May sleep. */
int __must_check rusage_get(int who, struct process_usage *u);

#endif
