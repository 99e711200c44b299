/*
 * The CMOS clock of a PC. Registers are read through an index and a data port; a value is good when
 * no update is under way and two readings agree. Numbers may be BCD and hours in 12-hour form
 * (status register B). Source: Motorola MC146818A data sheet.
 */
#include "dev/rtc.h"

#include "cpu.h"
#include "klog.h"
#include "sched/clock.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

enum { RTC_SECOND, RTC_MINUTE = 2, RTC_HOUR = 4, RTC_DAY = 7, RTC_MONTH, RTC_YEAR };
#define RTC_STATUS_A   0x0a
#define RTC_A_UPDATING 0x80
#define RTC_STATUS_B   0x0b
#define RTC_B_24_HOURS 0x02
#define RTC_B_BINARY   0x04
#define RTC_HOUR_PM    0x80
#define RTC_READ_TRIES 100000 /* an update takes 2 ms, and a try meanwhile one read */
#define RTC_YEARS_FROM 2000

struct rtc_reading {
	uint8_t second, minute, hour, day, month, year, status_b;
};

static uint8_t cmos_read(uint8_t reg)
{
	port_out8(CMOS_INDEX, reg);
	return port_in8(CMOS_DATA);
}

static void read_once(struct rtc_reading *r)
{
	r->second = cmos_read(RTC_SECOND);
	r->minute = cmos_read(RTC_MINUTE);
	r->hour = cmos_read(RTC_HOUR);
	r->day = cmos_read(RTC_DAY);
	r->month = cmos_read(RTC_MONTH);
	r->year = cmos_read(RTC_YEAR);
	r->status_b = cmos_read(RTC_STATUS_B);
}

static bool same(const struct rtc_reading *a, const struct rtc_reading *b)
{
	return a->second == b->second && a->minute == b->minute && a->hour == b->hour &&
	       a->day == b->day && a->month == b->month && a->year == b->year;
}

static bool read_stable(struct rtc_reading *r)
{
	struct rtc_reading again;

	for (unsigned i = 0; i < RTC_READ_TRIES; i++) {
		if (cmos_read(RTC_STATUS_A) & RTC_A_UPDATING)
			continue;
		read_once(r);
		if (cmos_read(RTC_STATUS_A) & RTC_A_UPDATING)
			continue;
		read_once(&again);
		if (same(r, &again))
			return true;
	}
	return false;
}

static unsigned from_bcd(uint8_t v, bool binary)
{
	return binary ? v : (v >> 4) * 10u + (v & 15u);
}

int64_t rtc_seconds(int64_t year, unsigned month, unsigned day, unsigned secs_of_day)
{
	/* Years that begin in March, so that the leap day comes last. */
	int64_t y = month > 2 ? year : year - 1;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;

	return (era * 146097 + days - 719468) * 86400 + secs_of_day;
}

void rtc_init(void)
{
	struct rtc_reading r;
	unsigned hour, month, day;
	bool binary;
	int64_t secs;

	if (!read_stable(&r)) {
		klog_warn("rtc: the clock does not answer; the time is 1970");
		return;
	}
	binary = r.status_b & RTC_B_BINARY;
	hour = from_bcd(r.hour & (uint8_t)~RTC_HOUR_PM, binary);
	if (!(r.status_b & RTC_B_24_HOURS))
		hour = hour % 12 + (r.hour & RTC_HOUR_PM ? 12 : 0);
	month = from_bcd(r.month, binary);
	day = from_bcd(r.day, binary);
	if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23) {
		klog_warn("rtc: the date makes no sense; the time is 1970");
		return;
	}
	secs = rtc_seconds(RTC_YEARS_FROM + from_bcd(r.year, binary), month, day,
		hour * 3600 + from_bcd(r.minute, binary) * 60 + from_bcd(r.second, binary));
	clock_set_realtime_ns((uint64_t)secs * NSEC_PER_SEC);
}
