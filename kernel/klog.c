/*
 * The kernel log: a ring of bytes that holds records, oldest first. A record is a header (sequence
 * number, time, level, length) and its text without a newline. A new record pushes out as many old
 * ones as it needs. Consoles get each record as it comes, formatted, when its level is below the
 * console limit.
 *
 * Lock: log_lock (rank 99, interrupts off) guards ring and consoles. During a panic the lock is
 * only tried, because its holder may be stopped.
 */
#include "klog.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "panic.h"
#include "sched/clock.h"
#include "sync/spinlock.h"

#define RING_SIZE 65536u /* bytes; a power of two */
#define TEXT_MAX  480u	 /* longer records are cut */

struct record {
	uint64_t seq;
	uint64_t time_ns;
	uint32_t len; /* of the text */
	uint8_t level;
};

/* "<6>[12345.678901] " */
#define PREFIX_MAX 40u

static struct spinlock log_lock = SPINLOCK_INIT(RANK_LOG, "log");
static char ring[RING_SIZE];
static uint64_t ring_head, ring_tail; /* byte positions that only grow: [tail, head) is filled */
static uint64_t first_seq, next_seq;  /* records in the ring */
static struct klog_console *consoles;
static int console_level = KLOG_DEBUG + 1;
static bool clock_ready;

void klog_set_clock_ready(void)
{
	clock_ready = true;
}

static void ring_put(const void *src, size_t n)
{
	size_t at = ring_head & (RING_SIZE - 1), part = MIN(n, (size_t)RING_SIZE - at);

	memcpy(ring + at, src, part);
	memcpy(ring, (const char *)src + part, n - part);
	ring_head += n;
}

static void ring_get(uint64_t pos, void *dst, size_t n)
{
	size_t at = pos & (RING_SIZE - 1), part = MIN(n, (size_t)RING_SIZE - at);

	memcpy(dst, ring + at, part);
	memcpy((char *)dst + part, ring, n - part);
}

static void drop_oldest(void)
{
	struct record r;

	ring_get(ring_tail, &r, sizeof(r));
	ring_tail += sizeof(r) + r.len;
	first_seq = r.seq + 1;
}

static void append(const struct record *r, const char *text)
{
	while (ring_head + sizeof(*r) + r->len - ring_tail > RING_SIZE)
		drop_oldest();
	ring_put(r, sizeof(*r));
	ring_put(text, r->len);
}

/* "[    0.001234] ", as long as it came out. */
static size_t format_time(char *buf, size_t size, uint64_t ns)
{
	return (size_t)fmt_snprintf(buf, size, "[%5llu.%06llu] ",
		(unsigned long long)(ns / NSEC_PER_SEC),
		(unsigned long long)(ns % NSEC_PER_SEC / NSEC_PER_USEC));
}

static void print_on_consoles(const struct record *r, const char *text)
{
	char prefix[PREFIX_MAX];
	size_t n = format_time(prefix, sizeof(prefix), r->time_ns);

	for (struct klog_console *con = consoles; con; con = con->next) {
		con->write(con, prefix, n);
		con->write(con, text, r->len);
		con->write(con, "\n", 1);
	}
}

/* In a panic a lock that does not come free is passed over after a while. */
static bool log_lock_panic(void)
{
	for (int i = 0; i < 1000000; i++) {
		if (spin_trylock(&log_lock))
			return true;
	}
	return false;
}

void klog(enum klog_level level, const char *fmt, ...)
{
	struct record r = {.level = (uint8_t)level};
	char text[TEXT_MAX];
	bool locked = true;
	irqflags_t flags;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = fmt_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r.len = MIN((uint32_t)len, TEXT_MAX - 1);
	if (r.len && text[r.len - 1] == '\n')
		r.len--;
	r.time_ns = clock_ready ? clock_monotonic_ns() : 0;
	flags = irq_save();
	if (unlikely(panic_in_progress()))
		locked = log_lock_panic();
	else
		spin_lock(&log_lock);
	r.seq = next_seq++;
	append(&r, text);
	if ((int)level < console_level || panic_in_progress())
		print_on_consoles(&r, text);
	if (locked)
		spin_unlock(&log_lock);
	irq_restore(flags);
}

void klog_register_console(struct klog_console *con)
{
	irqflags_t flags = spin_lock_irqsave(&log_lock);

	con->next = consoles;
	consoles = con;
	spin_unlock_irqrestore(&log_lock, flags);
}

void klog_print_raw(const char *s, size_t n)
{
	irqflags_t flags = spin_lock_irqsave(&log_lock);

	for (struct klog_console *con = consoles; con; con = con->next)
		con->write(con, s, n);
	spin_unlock_irqrestore(&log_lock, flags);
}

irqflags_t klog_hold_consoles(void)
{
	return spin_lock_irqsave(&log_lock);
}

void klog_release_consoles(irqflags_t flags)
{
	spin_unlock_irqrestore(&log_lock, flags);
}

void klog_set_console_level(int level)
{
	WRITE_ONCE(console_level, level);
}

int klog_console_level(void)
{
	return READ_ONCE(console_level);
}

/* Byte position of record seq. => log_lock; first_seq <= seq < next_seq */
static uint64_t find_record(uint64_t seq)
{
	uint64_t pos = ring_tail;
	struct record r;

	for (;;) {
		ring_get(pos, &r, sizeof(r));
		if (r.seq == seq)
			return pos;
		pos += sizeof(r) + r.len;
	}
}

/* Format the record at *pos into buf if it fits; 0 if not. Moves *pos behind it. */
static size_t format_record(uint64_t *pos, char *buf, size_t size)
{
	char prefix[PREFIX_MAX];
	struct record r;
	size_t n;

	ring_get(*pos, &r, sizeof(r));
	n = (size_t)fmt_snprintf(prefix, sizeof(prefix), "<%u>", r.level);
	n += format_time(prefix + n, sizeof(prefix) - n, r.time_ns);
	if (n + r.len + 1 > size)
		return 0;
	memcpy(buf, prefix, n);
	ring_get(*pos + sizeof(r), buf + n, r.len);
	buf[n + r.len] = '\n';
	*pos += sizeof(r) + r.len;
	return n + r.len + 1;
}

size_t klog_read(uint64_t *seq, char *buf, size_t size)
{
	irqflags_t flags = spin_lock_irqsave(&log_lock);
	size_t done = 0, n;
	uint64_t pos;

	*seq = MAX(*seq, first_seq);
	if (*seq < next_seq) {
		pos = find_record(*seq);
		while (*seq < next_seq && (n = format_record(&pos, buf + done, size - done))) {
			done += n;
			(*seq)++;
		}
	}
	spin_unlock_irqrestore(&log_lock, flags);
	return done;
}

uint64_t klog_first_seq(void)
{
	irqflags_t flags = spin_lock_irqsave(&log_lock);
	uint64_t seq = first_seq;

	spin_unlock_irqrestore(&log_lock, flags);
	return seq;
}

uint64_t klog_next_seq(void)
{
	irqflags_t flags = spin_lock_irqsave(&log_lock);
	uint64_t seq = next_seq;

	spin_unlock_irqrestore(&log_lock, flags);
	return seq;
}
