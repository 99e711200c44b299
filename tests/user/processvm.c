/* process_vm_readv and process_vm_writev: the memory of another process. */
#include "tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static long vm_readv(pid_t pid, struct iovec *l, int nl, struct iovec *r, int nr)
{
	return syscall(SYS_process_vm_readv, pid, l, nl, r, nr, 0L);
}

static long vm_writev(pid_t pid, struct iovec *l, int nl, struct iovec *r, int nr)
{
	return syscall(SYS_process_vm_writev, pid, l, nl, r, nr, 0L);
}

/* One range each. */
static long vm_read(pid_t pid, void *to, const void *from, size_t n)
{
	struct iovec l = {to, n}, r = {(void *)from, n};

	return vm_readv(pid, &l, 1, &r, 1);
}

static long vm_write(pid_t pid, void *to, const void *from, size_t n)
{
	struct iovec l = {(void *)from, n}, r = {to, n};

	return vm_writev(pid, &l, 1, &r, 1);
}

static char *map(size_t pages, int prot, int flags)
{
	char *p = mmap(NULL, pages * PAGE, prot, flags, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* A child that waits for a byte, runs fn on arg and exits with what it returns. */
struct other {
	pid_t pid;
	int go;
};

static struct other start(int (*fn)(void *), void *arg)
{
	struct other o;
	int fds[2];
	char c;

	CHECK_EQ(pipe(fds), 0);
	o.pid = fork();
	CHECK(o.pid >= 0);
	if (!o.pid) {
		close(fds[1]);
		if (read(fds[0], &c, 1) != 1)
			_exit(99);
		_exit(fn(arg));
	}
	close(fds[0]);
	o.go = fds[1];
	return o;
}

static int finish(struct other *o)
{
	int status;

	CHECK_EQ(write(o->go, "x", 1), 1);
	CHECK_EQ(waitpid(o->pid, &status, 0), o->pid);
	close(o->go);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void fill(char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + i / PAGE + seed);
}

static int holds(const char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != (char)(i * 7 + i / PAGE + seed))
			return 0;
	return 1;
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

#define MANY (300 * PAGE)

static int child_holds_5(void *arg)
{
	return holds(arg, MANY, 5) ? 0 : 1;
}

TEST(reads_and_writes_another_process)
{
	char *p = map(300, RW, ANON), *mine = map(300, RW, ANON);
	struct other o;

	fill(p, MANY, 3);
	o = start(child_holds_5, p);
	fill(p, MANY, 4); /* the child's page is its own by now */
	CHECK_EQ(vm_read(o.pid, mine, p, MANY), MANY);
	CHECK(holds(mine, MANY, 3));
	CHECK(holds(p, MANY, 4));
	fill(mine, MANY, 5);
	CHECK_EQ(vm_write(o.pid, p, mine, MANY), MANY);
	CHECK(holds(p, MANY, 4));
	CHECK_EQ(finish(&o), 0);
}

TEST(vectors_of_different_shapes)
{
	char *p = map(8, RW, ANON), *mine = map(8, RW, ANON);
	struct iovec l[4] = {{mine, 100}, {mine + 100, 0}, {mine + 100, 9000}, {mine + 9100, 1}};
	struct iovec r[3] = {{p + 4000, 200}, {p + 4200, 5000}, {p + 9200, 9000}};
	struct other o;

	fill(p, 8 * PAGE, 9);
	o = start(nothing, NULL);
	CHECK_EQ(vm_readv(o.pid, l, 4, r, 3), 9101);
	CHECK(!memcmp(mine, p + 4000, 9101));
	CHECK_EQ(mine[9101], 0);
	CHECK_EQ(finish(&o), 0);
}

TEST(transfer_ends_where_the_other_side_ends)
{
	char *p = map(40, RW, ANON), *mine = map(40, RW, ANON);
	struct iovec l = {mine, 40 * PAGE};
	struct iovec r[2] = {{p + 100, 40 * PAGE - 100}, {p, 10}};
	struct other o;

	memset(p, 6, 40 * PAGE);
	CHECK_EQ(munmap(p + 21 * PAGE, PAGE), 0);
	o = start(nothing, NULL);
	CHECK_EQ(vm_readv(o.pid, &l, 1, r, 2), 21 * PAGE - 100);
	CHECK_EQ(vm_writev(o.pid, &l, 1, r, 2), 21 * PAGE - 100);
	r[0] = (struct iovec){p + 21 * PAGE, 10};
	CHECK_ERR(vm_readv(o.pid, &l, 1, r, 2), EFAULT);
	CHECK_ERR(vm_writev(o.pid, &l, 1, r, 2), EFAULT);
	CHECK_EQ(finish(&o), 0);
}

TEST(transfer_ends_where_our_side_ends)
{
	char *p = map(40, RW, ANON), *mine = map(40, RW, ANON);
	struct other o;

	memset(p, 6, 40 * PAGE);
	CHECK_EQ(munmap(mine + 2 * PAGE, PAGE), 0);
	o = start(nothing, NULL);
	CHECK_EQ(vm_read(o.pid, mine + 50, p, 40 * PAGE), 2 * PAGE - 50);
	CHECK_EQ(mine[2 * PAGE - 1], 6);
	CHECK_ERR(vm_read(o.pid, mine + 2 * PAGE, p, 10), EFAULT);
	CHECK_ERR(vm_write(o.pid, p, mine + 2 * PAGE, 10), EFAULT);
	CHECK_EQ(finish(&o), 0);
}

TEST(rights_of_the_other_process_count)
{
	char *ro = map(1, PROT_READ, ANON), *none = map(1, PROT_NONE, ANON), buf[8] = "";
	struct other o = start(nothing, NULL);

	CHECK_EQ(vm_read(o.pid, buf, ro, 8), 8);
	CHECK_ERR(vm_write(o.pid, ro, buf, 8), EFAULT);
	CHECK_ERR(vm_read(o.pid, buf, none, 8), EFAULT);
	CHECK_EQ(finish(&o), 0);
}

TEST(arguments_are_checked)
{
	char a[8], b[8] = "";
	struct iovec l = {a, 8}, r = {b, 8}, wrong = {a, (size_t)-1}, empty = {a, 0};
	struct iovec high = {(void *)0x7ffffffff000, 8}, kernel = {(void *)0xffff800000000000, 8};
	struct iovec wrap = {(void *)-8ul, 100};
	struct other o = start(nothing, NULL);

	CHECK_ERR(syscall(SYS_process_vm_readv, o.pid, &l, 1L, &r, 1L, 1L), EINVAL);
	CHECK_ERR(vm_readv(o.pid, &wrong, 1, &r, 1), EINVAL);
	CHECK_ERR(vm_readv(o.pid, &l, 1, &wrong, 1), EINVAL);
	CHECK_ERR(vm_readv(o.pid, &l, 1025, &r, 1), EINVAL);
	CHECK_ERR(vm_readv(o.pid, &l, 1, &r, 1025), EINVAL);
	CHECK_ERR(vm_readv(o.pid, (struct iovec *)16, 1, &r, 1), EFAULT);
	CHECK_ERR(vm_readv(o.pid, &l, 1, (struct iovec *)16, 1), EFAULT);
	CHECK_ERR(vm_readv(o.pid, &l, 1, &high, 1), EFAULT);
	CHECK_ERR(vm_readv(o.pid, &l, 1, &kernel, 1), EFAULT);
	CHECK_ERR(vm_readv(o.pid, &l, 1, &wrap, 1), EFAULT);
	CHECK_ERR(vm_readv(0x3fffffff, &l, 1, &r, 1), ESRCH);
	CHECK_EQ(vm_readv(0x3fffffff, &empty, 1, &r, 1), 0);
	CHECK_EQ(vm_readv(o.pid, &l, 1, &empty, 1), 0);
	CHECK_EQ(vm_readv(o.pid, NULL, 0, NULL, 0), 0);
	CHECK_EQ(finish(&o), 0);
}

TEST(own_process_and_overlap)
{
	char *p = map(40, RW, ANON);

	fill(p, 40 * PAGE, 1);
	CHECK_EQ(vm_read(getpid(), p, p, 40 * PAGE), 40 * PAGE);
	CHECK(holds(p, 40 * PAGE, 1));
	CHECK_EQ(vm_write(getpid(), p, p + 20 * PAGE, 20 * PAGE), 20 * PAGE);
	CHECK(!memcmp(p, p + 20 * PAGE, 20 * PAGE));
}

static long rss_kb(pid_t pid)
{
	char path[64], line[256];
	long kb = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "RssAnon: %ld", &kb);
	fclose(f);
	CHECK(kb >= 0);
	return kb;
}

TEST(reading_untouched_memory_gives_the_other_no_pages)
{
	char *sparse = map(2048, RW, ANON), *mine = map(2048, RW, ANON);
	int file = tap_file("text", 16 * PAGE);
	char *text = mmap(NULL, 16 * PAGE, RW, MAP_PRIVATE, file, 0);
	struct other o;
	long before;

	CHECK(text != MAP_FAILED);
	o = start(nothing, NULL);
	memset(mine, 1, 2048 * PAGE);
	before = rss_kb(o.pid);
	CHECK_EQ(vm_read(o.pid, mine, sparse, 2048 * PAGE), 2048 * PAGE);
	for (size_t i = 0; i < 2048 * PAGE; i += 512)
		CHECK_EQ(mine[i], 0);
	CHECK_EQ(vm_read(o.pid, mine, text, 16 * PAGE), 16 * PAGE);
	for (size_t i = 0; i < 16 * PAGE; i++)
		CHECK_EQ((unsigned char)mine[i], tap_byte(i));
	CHECK(rss_kb(o.pid) - before < 256);
	CHECK_EQ(finish(&o), 0);
}

/* CVE-2016-5195 through another process: what is written lands in a copy, or in nothing. */
static char *cow_page;
static volatile int cow_stop;

static void *drop_copies(void *arg)
{
	(void)arg;
	while (!cow_stop)
		madvise(cow_page, PAGE, MADV_DONTNEED);
	return NULL;
}

static int drop_for_a_while(void *arg)
{
	pthread_t t;

	(void)arg;
	CHECK_EQ(pthread_create(&t, NULL, drop_copies, NULL), 0);
	pthread_join(t, NULL);
	return 0;
}

TEST(write_never_reaches_the_file_of_a_private_map)
{
	int file = tap_file("text", PAGE);
	unsigned char got[PAGE];
	struct other o;
	char buf[PAGE];
	int status;

	cow_page = mmap(NULL, PAGE, RW, MAP_PRIVATE, file, 0);
	CHECK(cow_page != MAP_FAILED);
	memset(buf, 0xee, sizeof(buf));
	o = start(drop_for_a_while, NULL);
	CHECK_EQ(write(o.go, "x", 1), 1);
	for (int i = 0; i < 3000; i++)
		CHECK_EQ(vm_write(o.pid, cow_page, buf, PAGE), PAGE);
	CHECK_EQ(kill(o.pid, SIGKILL), 0);
	CHECK_EQ(waitpid(o.pid, &status, 0), o.pid);
	CHECK_EQ(pread(file, got, PAGE, 0), PAGE);
	for (size_t i = 0; i < PAGE; i++)
		CHECK_EQ(got[i], tap_byte(i));
}

static int shares_the_file(void *arg)
{
	return ((char *)arg)[PAGE + 3] == 'w' ? 0 : 1;
}

TEST(write_to_a_shared_file_map_reaches_the_file)
{
	int file = tap_file("text", 2 * PAGE);
	char *p = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, file, 0), c;
	struct other o;

	CHECK(p != MAP_FAILED);
	o = start(shares_the_file, p);
	CHECK_EQ(vm_write(o.pid, p + PAGE + 3, "w", 1), 1);
	CHECK_EQ(finish(&o), 0);
	CHECK_EQ(pread(file, &c, 1, PAGE + 3), 1);
	CHECK_EQ(c, 'w');
	CHECK_EQ(fsync(file), 0);
	/* Past the end there is nothing. */
	CHECK_EQ(ftruncate(file, PAGE), 0);
	CHECK_EQ(vm_write(getpid(), p + PAGE - 2, "xyz", 3), 2);
	CHECK_ERR(vm_write(getpid(), p + PAGE, "z", 1), EFAULT);
}

/*
 * The other process forks while it is written to: the child has all of a write or none of a page.
 */
static int forks(void *arg)
{
	unsigned char *p = arg;

	for (int i = 0; i < 30; i++) {
		pid_t pid = fork();
		int status;

		CHECK(pid >= 0);
		if (!pid) {
			unsigned char before = p[0], again;

			usleep(1000);
			again = p[0];
			_exit(before == again ? 0 : 1);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
	}
	return 0;
}

TEST(writes_beside_fork_do_not_reach_the_child)
{
	unsigned char *p = (unsigned char *)map(1, RW, ANON), v = 1;
	struct other o;
	int status;

	p[0] = 1;
	o = start(forks, p);
	CHECK_EQ(write(o.go, "x", 1), 1);
	/* Until it ends. */
	while (vm_write(o.pid, p, &v, 1) == 1)
		v++;
	CHECK_EQ(errno, ESRCH);
	CHECK_EQ(waitpid(o.pid, &status, 0), o.pid);
	CHECK_EQ(status, 0);
}
