/*
 * Devices without hardware: null, zero, full (mem(4), full(4)), and kmsg, which shows the kernel
 * log record by record and adds to it what is written.
 */
#include "fs/devfs/nodes.h"

#include "abi/fcntl.h"
#include "fs/devfs/devfs.h"
#include "fs/poll.h"
#include "klog.h"
#include "lib/assert.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/mmap.h"
#include "sched/sched.h"

#define MEM_MAJOR  1u
#define MINOR_NULL 3u
#define MINOR_ZERO 5u
#define MINOR_FULL 7u
#define MINOR_KMSG 11u

static ssize_t null_read(struct file *f, struct uio *u, uint64_t *pos)
{
	(void)f;
	(void)u;
	(void)pos;
	return 0;
}

static ssize_t null_write(struct file *f, struct uio *u, uint64_t *pos)
{
	size_t n = u->left;

	(void)f;
	(void)pos;
	u->left = 0;
	return (ssize_t)n;
}

static ssize_t zero_read(struct file *f, struct uio *u, uint64_t *pos)
{
	ssize_t done = 0;

	(void)f;
	(void)pos;
	while (u->left) {
		size_t n = MIN(u->left, PAGE_SIZE), missed = uio_zero(u, n);

		done += (ssize_t)(n - missed);
		if (missed)
			return done ? done : -EFAULT;
		cond_resched();
	}
	return done;
}

static ssize_t full_write(struct file *f, struct uio *u, uint64_t *pos)
{
	(void)f;
	(void)pos;
	return u->left ? -ENOSPC : 0;
}

/* Anonymous memory: that is what pages of zeros are. */
static int zero_mmap(struct file *f, struct mm_map_request *rq)
{
	(void)f;
	rq->kind = MM_AREA_NORMAL;
	return 0;
}

/* Any position is as good as another (null_lseek of mem(4)). */
static int64_t mem_llseek(struct file *f, int64_t off, int whence)
{
	(void)off;
	(void)whence;
	f->pos = 0;
	return 0;
}

/*
 * kmsg: each read gives one record, "level,sequence,microseconds,-;text"; f->pos is the sequence
 * number to read next. The ring hands out "<level>[seconds.micros] text".
 */
#define KMSG_LINE 1024

static bool parse_stamp(const char *s, uint64_t *usecs, const char **text)
{
	const char *end;
	uint64_t sec, usec;

	while (*s == ' ' || *s == '[')
		s++;
	if (!fmt_parse_u64(s, &end, 10, &sec) || *end != '.' ||
		!fmt_parse_u64(end + 1, &end, 10, &usec) || *end != ']')
		return false;
	*usecs = sec * 1000000 + usec;
	*text = end[1] == ' ' ? end + 2 : end + 1;
	return true;
}

static size_t kmsg_format(const char *record, uint64_t seq, char *out, size_t size)
{
	const char *text = record;
	uint64_t level = KLOG_INFO, usecs = 0;

	if (*text == '<' && fmt_parse_u64(text + 1, &text, 10, &level) && *text == '>')
		text++;
	if (!parse_stamp(text, &usecs, &text))
		usecs = 0;
	return MIN((size_t)fmt_snprintf(out, size, "%llu,%llu,%llu,-;%s", (unsigned long long)level,
			   (unsigned long long)seq, (unsigned long long)usecs, text),
		size - 1);
}

static ssize_t kmsg_read(struct file *f, struct uio *u, uint64_t *pos)
{
	char record[KMSG_LINE], line[KMSG_LINE + 64];
	uint64_t seq = MAX(*pos, klog_first_seq()), at = seq;
	char *end;
	size_t n;

	(void)f;
	n = klog_read(&seq, record, sizeof(record) - 1);
	/* Nothing new. The log is not waited for: its readers follow it by polling. */
	if (!n)
		return -EAGAIN;
	/* The ring gives as many records as fit: the first one is a line. */
	record[n] = '\0';
	end = strchr(record, '\n');
	if (end)
		end[1] = '\0';
	n = kmsg_format(record, at, line, sizeof(line));
	if (n > u->left)
		return -EINVAL;
	if (uio_copy_to(u, line, n))
		return -EFAULT;
	*pos = at + 1;
	return (ssize_t)n;
}

static ssize_t kmsg_write(struct file *f, struct uio *u, uint64_t *pos)
{
	char line[KMSG_LINE];
	size_t n = MIN(u->left, sizeof(line) - 1), all = u->left;
	const char *text = line;
	uint64_t level = KLOG_NOTICE;

	(void)f;
	(void)pos;
	if (uio_copy_from(u, line, n))
		return -EFAULT;
	line[n] = '\0';
	if (n && line[n - 1] == '\n')
		line[n - 1] = '\0';
	if (*text == '<' && fmt_parse_u64(text + 1, &text, 10, &level) && *text == '>')
		text++;
	else
		text = line;
	klog((enum klog_level)(level & 7), "%s", text);
	u->left = 0;
	return (ssize_t)all;
}

static int64_t kmsg_llseek(struct file *f, int64_t off, int whence)
{
	if (off)
		return -ESPIPE;
	if (whence == SEEK_SET || whence == SEEK_DATA)
		f->pos = klog_first_seq();
	else if (whence == SEEK_END)
		f->pos = klog_next_seq();
	else
		return -EINVAL;
	return 0;
}

static unsigned kmsg_poll(struct file *f, struct poll_table *pt)
{
	unsigned ready = POLLOUT | POLLWRNORM;

	(void)pt;
	return READ_ONCE(f->pos) < klog_next_seq() ? ready | POLLIN | POLLRDNORM : ready;
}

void devfs_init_nodes(void)
{
	static const struct file_ops null_ops = {
		.read = null_read, .write = null_write, .llseek = mem_llseek};
	static const struct file_ops zero_ops = {
		.read = zero_read, .write = null_write, .llseek = mem_llseek, .mmap = zero_mmap};
	static const struct file_ops full_ops = {
		.read = zero_read, .write = full_write, .llseek = mem_llseek};
	static const struct file_ops kmsg_ops = {
		.read = kmsg_read, .write = kmsg_write, .llseek = kmsg_llseek, .poll = kmsg_poll};
	static const struct {
		const char *name;
		uint32_t mode, minor;
		const struct file_ops *ops;
	} nodes[] = {
		{"null", 0666, MINOR_NULL, &null_ops},
		{"zero", 0666, MINOR_ZERO, &zero_ops},
		{"full", 0666, MINOR_FULL, &full_ops},
		{"kmsg", 0644, MINOR_KMSG, &kmsg_ops},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(nodes); i++) {
		int err = devfs_register(nodes[i].name, S_IFCHR | nodes[i].mode,
			MKDEV(MEM_MAJOR, nodes[i].minor), nodes[i].ops, NULL);

		assert(!err);
	}
}
