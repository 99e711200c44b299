/* Clocks, sleeping and processor time. */
#include "syscall.h"
#include <errno.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	return (int)SYS(clock_gettime, clock, ts);
}

int clock_settime(clockid_t clock, const struct timespec *ts)
{
	return (int)SYS(clock_settime, clock, ts);
}

int clock_getres(clockid_t clock, struct timespec *ts)
{
	return (int)SYS(clock_getres, clock, ts);
}

/* => 0 or the error number. */
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *ts, struct timespec *left)
{
	return (int)-RAW(clock_nanosleep, clock, flags, ts, left);
}

int nanosleep(const struct timespec *ts, struct timespec *left)
{
	return (int)SYS(nanosleep, ts, left);
}

/* => the seconds that were left when a signal ended it. */
unsigned int sleep(unsigned int seconds)
{
	struct timespec ts = {seconds, 0};

	if (nanosleep(&ts, &ts) == 0)
		return 0;
	return (unsigned int)ts.tv_sec + (ts.tv_nsec >= 500000000);
}

int usleep(useconds_t us)
{
	struct timespec ts = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};

	return nanosleep(&ts, NULL);
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
	return (int)SYS(gettimeofday, tv, tz);
}

int settimeofday(const struct timeval *tv, const struct timezone *tz)
{
	return (int)SYS(settimeofday, tv, tz);
}

clock_t times(struct tms *buf)
{
	return SYS(times, buf);
}

clock_t clock(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) < 0)
		return -1;
	return ts.tv_sec * CLOCKS_PER_SEC + ts.tv_nsec / (1000000000 / CLOCKS_PER_SEC);
}
