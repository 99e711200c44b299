/* Time. Sources: linux/time.h, linux/time_types.h, times(2). */
#ifndef ABI_TIME_H
#define ABI_TIME_H

#include <stdint.h>

struct abi_timespec {
	int64_t tv_sec, tv_nsec;
};
struct abi_timeval {
	int64_t tv_sec, tv_usec;
};
struct abi_itimerspec {
	struct abi_timespec it_interval, it_value;
};
struct abi_itimerval {
	struct abi_timeval it_interval, it_value;
};
struct abi_timezone {
	int32_t tz_minuteswest, tz_dsttime;
};
struct abi_tms {
	int64_t tms_utime, tms_stime, tms_cutime, tms_cstime;
};
struct abi_utimbuf {
	int64_t actime, modtime;
};

#define CLOCK_REALTIME		 0
#define CLOCK_MONOTONIC		 1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID	 3
#define CLOCK_MONOTONIC_RAW	 4
#define CLOCK_REALTIME_COARSE	 5
#define CLOCK_MONOTONIC_COARSE	 6
#define CLOCK_BOOTTIME		 7
#define CLOCK_TAI		 11

#define TIMER_ABSTIME 1

#define ITIMER_REAL    0
#define ITIMER_VIRTUAL 1
#define ITIMER_PROF    2

#define UTIME_NOW  0x3fffffff
#define UTIME_OMIT 0x3ffffffe

#define CLK_TCK 100 /* sysconf(_SC_CLK_TCK): the unit of times(2) and /proc */

#endif
