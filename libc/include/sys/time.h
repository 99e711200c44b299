#ifndef _SYS_TIME_H_
#define _SYS_TIME_H_

#include <sys/cdefs.h>
#include <sys/_timeval.h>
#include <sys/types.h>
#include <sys/timespec.h>
#include <sys/select.h>

struct timezone {
	int tz_minuteswest;
	int tz_dsttime;
};

struct itimerval {
	struct timeval it_interval;
	struct timeval it_value;
};

#define ITIMER_REAL    0
#define ITIMER_VIRTUAL 1
#define ITIMER_PROF    2

#if __BSD_VISIBLE
#define timerclear(t) ((t)->tv_sec = (t)->tv_usec = 0)
#define timerisset(t) ((t)->tv_sec || (t)->tv_usec)
#define timercmp(a, b, cmp) \
	((a)->tv_sec == (b)->tv_sec ? ((a)->tv_usec cmp(b)->tv_usec) : ((a)->tv_sec cmp(b)->tv_sec))
#define timeradd(a, b, r)                                   \
	do {                                                \
		(r)->tv_sec = (a)->tv_sec + (b)->tv_sec;    \
		(r)->tv_usec = (a)->tv_usec + (b)->tv_usec; \
		if ((r)->tv_usec >= 1000000) {              \
			(r)->tv_sec++;                      \
			(r)->tv_usec -= 1000000;            \
		}                                           \
	} while (0)
#define timersub(a, b, r)                                   \
	do {                                                \
		(r)->tv_sec = (a)->tv_sec - (b)->tv_sec;    \
		(r)->tv_usec = (a)->tv_usec - (b)->tv_usec; \
		if ((r)->tv_usec < 0) {                     \
			(r)->tv_sec--;                      \
			(r)->tv_usec += 1000000;            \
		}                                           \
	} while (0)
#endif

__BEGIN_DECLS

int gettimeofday(struct timeval *__restrict tv, void *__restrict tz);
int settimeofday(const struct timeval *tv, const struct timezone *tz);
int getitimer(int which, struct itimerval *value);
int setitimer(
	int which, const struct itimerval *__restrict value, struct itimerval *__restrict old);
int utimes(const char *path, const struct timeval times[2]);

__END_DECLS

#endif
