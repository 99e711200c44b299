/*
 * What /proc tells about memory: smaps, pagemap, status, and mem, through which it can be changed.
 */
#include "tap.h"
#include <fcntl.h>
#include <sys/mman.h>

#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *map(size_t pages, int prot, int flags)
{
	char *p = mmap(NULL, pages * PAGE, prot, flags, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* A figure of the area at p in /proc/self/smaps, in pages. */
static long smap(const void *p, const char *key)
{
	unsigned long start, end, value;
	char line[512], word[64];
	int inside = 0;
	long found = -1;
	FILE *f = fopen("/proc/self/smaps", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start <= (unsigned long)p && (unsigned long)p < end;
		else if (inside && sscanf(line, "%63[^:]: %lu kB", word, &value) == 2 &&
			 !strcmp(word, key))
			found = (long)value / 4;
	}
	fclose(f);
	return found;
}

static long figure(const char *path, const char *key)
{
	unsigned long value;
	char line[512], word[64];
	long found = -1;
	FILE *f = fopen(path, "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63[^:]: %lu kB", word, &value) == 2 && !strcmp(word, key))
			found = (long)value;
	fclose(f);
	return found;
}

TEST(smaps_counts_touched_private_pages)
{
	char *p = map(64, RW, ANON);

	for (int i = 0; i < 10; i++)
		p[i * 3 * PAGE] = 1;
	CHECK_EQ(smap(p, "Size"), 64);
	CHECK_EQ(smap(p, "Rss"), 10);
	CHECK_EQ(smap(p, "Pss"), 10);
	CHECK_EQ(smap(p, "Private_Dirty"), 10);
	CHECK_EQ(smap(p, "Anonymous"), 10);
	CHECK_EQ(smap(p, "Shared_Dirty"), 0);
}

/* Also its last page, in which it ends somewhere: who runs it again runs the same frames. */
TEST(the_text_of_a_program_has_no_page_of_its_own)
{
	unsigned long at = (unsigned long)&smap, start, end = 0;
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];

	CHECK(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, "%lx-%lx ", &start, &end) == 2)
		if (start <= at && at < end)
			break;
	fclose(f);
	CHECK(start <= at && at < end);
	CHECK(((volatile char *)end)[-1] == ((volatile char *)end)[-1]);
	CHECK(smap((void *)at, "Rss") > 0);
	CHECK_EQ(smap((void *)at, "Anonymous"), 0);
}

TEST(smaps_shows_what_a_child_shares)
{
	char *p = map(16, RW, ANON);
	int fds[2], status;
	pid_t pid;
	char c;

	memset(p, 1, 16 * PAGE);
	CHECK_EQ(pipe(fds), 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		close(fds[1]);
		_exit(read(fds[0], &c, 1) == 0 ? 0 : 1);
	}
	CHECK_EQ(smap(p, "Rss"), 16);
	CHECK_EQ(smap(p, "Shared_Dirty"), 16);
	CHECK_EQ(smap(p, "Pss"), 8);
	p[0] = 2;
	CHECK_EQ(smap(p, "Private_Dirty"), 1);
	CHECK_EQ(smap(p, "Shared_Dirty"), 15);
	close(fds[1]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(smap(p, "Private_Dirty"), 16);
}

/* So large that nobody who looks at each page comes to its end within the time of a test. */
TEST(smaps_of_a_huge_untouched_area_is_quick)
{
	char *p = map((size_t)1 << 33, PROT_READ, ANON | MAP_NORESERVE);

	CHECK_EQ(smap(p, "Rss"), 0);
}

TEST(rollup_is_the_sum)
{
	char *p = map(512, RW, ANON);
	long before = figure("/proc/self/smaps_rollup", "Private_Dirty");

	CHECK(before >= 0);
	memset(p, 1, 512 * PAGE);
	CHECK(figure("/proc/self/smaps_rollup", "Private_Dirty") >= before + 2048);
	CHECK(figure("/proc/self/smaps_rollup", "Rss") >= figure("/proc/self/smaps_rollup", "Pss"));
}

TEST(status_follows_memory)
{
	long size = figure("/proc/self/status", "VmSize");
	long anon = figure("/proc/self/status", "RssAnon");
	char *p = map(256, RW, ANON);

	memset(p, 1, 256 * PAGE);
	CHECK_EQ(figure("/proc/self/status", "VmSize"), size + 1024);
	CHECK(figure("/proc/self/status", "RssAnon") >= anon + 1024);
	CHECK(figure("/proc/self/status", "VmHWM") >= figure("/proc/self/status", "VmRSS"));
	CHECK_EQ(munmap(p, 256 * PAGE), 0);
	CHECK_EQ(figure("/proc/self/status", "VmSize"), size);
	CHECK(figure("/proc/self/status", "VmPeak") >= size + 1024);
}

static uint64_t pagemap(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t word = 0;

	CHECK(fd >= 0);
	CHECK_EQ(pread(fd, &word, 8, (off_t)((unsigned long)p / PAGE * 8)), 8);
	close(fd);
	return word;
}

TEST(pagemap_tells_what_is_there)
{
	char *p = map(4, RW, ANON);
	int fd;

	CHECK_EQ(pagemap(p) >> 63, 0);
	p[PAGE] = 1;
	CHECK_EQ(pagemap(p + PAGE) >> 63, 1);
	CHECK_EQ(pagemap(p + PAGE) >> 61 & 1, 0);
	CHECK_EQ(pagemap(p + 2 * PAGE) >> 63, 0);
	fd = open("/proc/self/pagemap", O_RDONLY);
	CHECK_ERR(pread(fd, p, 7, 0), EINVAL);
	CHECK_ERR(pread(fd, p, 8, 4), EINVAL);
}

TEST(mem_reads_and_writes)
{
	char *p = map(3, RW, ANON), buf[16] = "";
	int fd = open("/proc/self/mem", O_RDWR);

	CHECK(fd >= 0);
	strcpy(p + PAGE - 4, "across");
	CHECK_EQ(pread(fd, buf, 7, (off_t)(unsigned long)(p + PAGE - 4)), 7);
	CHECK(!strcmp(buf, "across"));
	CHECK_EQ(pwrite(fd, "ACROSS", 7, (off_t)(unsigned long)(p + PAGE - 4)), 7);
	CHECK(!strcmp(p + PAGE - 4, "ACROSS"));
	CHECK_EQ(munmap(p + 2 * PAGE, PAGE), 0);
	CHECK_EQ(pread(fd, buf, 16, (off_t)(unsigned long)(p + 2 * PAGE - 8)), 8);
	CHECK_ERR(pread(fd, buf, 16, (off_t)(unsigned long)(p + 2 * PAGE)), EIO);
	CHECK_ERR(pread(fd, buf, 16, 16), EIO);
}

/* CVE-2016-5195: a forced write goes into a copy, never into the file. */
TEST(mem_writes_read_only_memory_into_a_copy)
{
	int file = tap_file("text", PAGE), fd = open("/proc/self/mem", O_RDWR);
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
	unsigned char c;

	CHECK(p != MAP_FAILED);
	if (pwrite(fd, "x", 1, (off_t)(unsigned long)(p + 5)) != 1)
		tap_skip("forced writes are refused here");
	CHECK_EQ(p[5], 'x');
	CHECK_EQ(pread(file, &c, 1, 5), 1);
	CHECK_EQ(c, tap_byte(5));
	CHECK_EQ(madvise(p, PAGE, MADV_DONTNEED), 0);
	CHECK_EQ((unsigned char)p[5], tap_byte(5));
}

TEST(mem_never_writes_shared_memory_that_is_read_only)
{
	int file = tap_file("text", PAGE), fd = open("/proc/self/mem", O_RDWR);
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);

	CHECK(p != MAP_FAILED);
	CHECK_ERR(pwrite(fd, "x", 1, (off_t)(unsigned long)p), EIO);
	CHECK_EQ((unsigned char)p[0], tap_byte(0));
}

TEST(statm_has_seven_figures)
{
	unsigned long v[7];
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f);
	CHECK_EQ(fscanf(f, "%lu %lu %lu %lu %lu %lu %lu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
			 &v[6]),
		7);
	fclose(f);
	CHECK(v[0] >= v[1] && v[1] >= v[2]);
}
