/* Sleeping by the clock: nanosleep(2), clock_nanosleep(2); clocks that count CPU time. */
#ifndef PROC_SLEEP_H
#define PROC_SLEEP_H

#include "mm/types.h"

/*
 * Until clock_monotonic_ns() reaches the deadline. rem: where the rest of the time goes when a
 * signal ends it (0: nowhere). 0, -ERESTART_RESTARTBLOCK.
 */
long sleep_until(uint64_t deadline_ns, uaddr_t rem);
/* The same by the time of day; follows when that is set. 0 or -ERESTARTNOHAND. */
long sleep_until_realtime(uint64_t realtime_ns);
/* clock_settime(2): sleepers by the time of day look again. */
void sleep_clock_was_set(void);
void sleep_init(void);
/* restart_syscall(2). */
long restart_syscall(void);
/* now + ns without overflow: WAIT_FOREVER when it is beyond. */
uint64_t deadline_after(uint64_t ns);

#endif
