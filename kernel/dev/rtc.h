/* The CMOS real-time clock: read once at boot. */
#ifndef DEV_RTC_H
#define DEV_RTC_H

#include "lib/base.h"

/* Set the kernel's time of day from the CMOS clock (UTC). */
void rtc_init(void);
/* Seconds since 1970 of a date in the proleptic Gregorian calendar; month 1..12, day 1..31. */
int64_t rtc_seconds(int64_t year, unsigned month, unsigned day, unsigned secs_of_day);

#endif
