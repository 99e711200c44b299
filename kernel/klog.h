/*
 * The kernel log: a ring of records with level and time stamp, printed on the consoles that are
 * registered when the level is below the console's limit ("quiet", "loglevel=N").
 */
#ifndef KLOG_H
#define KLOG_H

#include "cpu.h"
#include "lib/base.h"

/* Linux's levels (syslog(2)). */
enum klog_level {
	KLOG_EMERG,
	KLOG_ALERT,
	KLOG_CRIT,
	KLOG_ERR,
	KLOG_WARN,
	KLOG_NOTICE,
	KLOG_INFO,
	KLOG_DEBUG
};

/* Any context, also interrupts and with locks below rank 99 held. */
__printf(2, 3) void klog(enum klog_level level, const char *fmt, ...);

#define klog_err(...)	klog(KLOG_ERR, __VA_ARGS__)
#define klog_warn(...)	klog(KLOG_WARN, __VA_ARGS__)
#define klog_info(...)	klog(KLOG_INFO, __VA_ARGS__)
#define klog_debug(...) klog(KLOG_DEBUG, __VA_ARGS__)

/*
 * A place that log text goes to as it comes (serial, screen). write() may be called in any context.
 */
struct klog_console {
	struct klog_console *next;
	void (*write)(struct klog_console *con, const char *s, size_t n);
};
void klog_register_console(struct klog_console *con);
/*
 * No console is written to between the two, whatever is logged elsewhere waits: for who changes
 * what a console writes to. Interrupts off, no more than a moment. => rank 99 held in between
 */
irqflags_t klog_hold_consoles(void);
void klog_release_consoles(irqflags_t flags);
void klog_set_console_level(int level);
int klog_console_level(void);
/* Text for the consoles alone, as it is: the output of the kernel tests. */
void klog_print_raw(const char *s, size_t n);
/* clock_monotonic_ns() works: records have times from now on. */
void klog_set_clock_ready(void);

/*
 * Copy formatted records ("<6>[    0.001234] text\n") that follow sequence *seq into buf and
 * advance *seq; returns the bytes copied, 0 if the next one does not fit. For syslog(2), /dev/kmsg
 * and dmesg.
 */
size_t klog_read(uint64_t *seq, char *buf, size_t size);
uint64_t klog_first_seq(void);
uint64_t klog_next_seq(void);

#endif
