/* memfd_create and its seals, fallocate on files in memory, POSIX shared memory. */
#include "tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define RW   (PROT_READ | PROT_WRITE)
#define ALL  (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#define HOLE (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

#ifndef FALLOC_FL_ZERO_RANGE
#define FALLOC_FL_COLLAPSE_RANGE 0x08
#define FALLOC_FL_ZERO_RANGE	 0x10
#endif

/* Linux 6.1 does not know these. */
#define F_SEAL_EXEC_LATER  0x20
#define MFD_NOEXEC_LATER   0x08
#define MFD_EXEC_LATER	   0x10
#define MFD_HUGE_2MB_FLAGS (MFD_HUGETLB | 21 << 26)

static int memfd(size_t pages)
{
	int fd = memfd_create("box", MFD_ALLOW_SEALING);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)(pages * PAGE)), 0);
	return fd;
}

static unsigned char *map(int fd, size_t pages, int prot, int flags)
{
	unsigned char *p = mmap(NULL, pages * PAGE, prot, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, flags);
	if (fd < 0 && errno == ENXIO)
		tap_skip("a file without a path is not opened again");
	return fd;
}

static long blocks(int fd)
{
	struct stat st;

	CHECK_EQ(fstat(fd, &st), 0);
	return (long)st.st_blocks;
}

static off_t size_of(int fd)
{
	struct stat st;

	CHECK_EQ(fstat(fd, &st), 0);
	return st.st_size;
}

static long shmem_kib(void)
{
	char line[128];
	long kib = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "Shmem: %ld", &kib);
	fclose(f);
	return kib;
}

/* ---- flags ---- */

TEST(memfd_create_checks_its_arguments)
{
	char long_name[260];

	memset(long_name, 'n', sizeof(long_name));
	long_name[250] = '\0';
	CHECK_ERR(memfd_create(long_name, 0), EINVAL);
	long_name[249] = '\0';
	CHECK(memfd_create(long_name, 0) >= 0);
	CHECK_ERR(memfd_create("x", 0x40), EINVAL);
	CHECK_ERR(memfd_create("x", 1u << 26), EINVAL);
	CHECK_ERR(memfd_create((char *)8, 0), EFAULT);
}

TEST(memfd_flags_of_later_versions_are_refused)
{
	tap_only_on_quire("only on Quire");
	CHECK_ERR(memfd_create("x", MFD_NOEXEC_LATER), EINVAL);
	CHECK_ERR(memfd_create("x", MFD_EXEC_LATER), EINVAL);
	CHECK_ERR(fcntl(memfd(1), F_ADD_SEALS, F_SEAL_EXEC_LATER), EINVAL);
}

TEST(huge_pages_are_not_implemented)
{
	tap_only_on_quire("only on Quire");
	CHECK_ERR(memfd_create("x", MFD_HUGETLB), ENOSYS);
	CHECK_ERR(memfd_create("x", MFD_HUGE_2MB_FLAGS), ENOSYS);
	CHECK_ERR(memfd_create("x", MFD_HUGETLB | 0x40), EINVAL);
}

/* ---- adding seals ---- */

TEST(seals_add_up)
{
	int fd = memfd(1);

	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, 0x100), EINVAL);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SHRINK);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, 0), EPERM);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
}

TEST(seals_need_a_file_that_allows_them)
{
	int fd = memfd_create("x", 0), other = tap_file("file", 1), pipes[2];

	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	/* /tmp is a tmpfs on Quire: its files are born sealed against seals. */
	if (fcntl(other, F_GET_SEALS) == F_SEAL_SEAL)
		CHECK_ERR(fcntl(other, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	else
		CHECK_ERR(fcntl(other, F_ADD_SEALS, F_SEAL_WRITE), EINVAL);
	CHECK_EQ(pipe(pipes), 0);
	CHECK_ERR(fcntl(pipes[0], F_GET_SEALS), EINVAL);
	CHECK_ERR(fcntl(-1, F_GET_SEALS), EBADF);
}

TEST(seals_need_write_access)
{
	int fd = memfd(1), ro = reopen(fd, O_RDONLY);

	CHECK(ro >= 0);
	CHECK_ERR(fcntl(ro, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	CHECK_EQ(fcntl(ro, F_GET_SEALS), F_SEAL_WRITE);
}

/* ---- what they forbid ---- */

TEST(seal_shrink)
{
	int fd = memfd(2);

	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	CHECK_ERR(ftruncate(fd, PAGE), EPERM);
	CHECK_EQ(size_of(fd), 2 * PAGE);
	CHECK_EQ(ftruncate(fd, 2 * PAGE), 0);
	CHECK_EQ(ftruncate(fd, 3 * PAGE), 0);
	CHECK_EQ(pwrite(fd, "x", 1, 4 * PAGE), 1);
	CHECK_EQ(fallocate(fd, HOLE, 0, PAGE), 0);
}

TEST(seal_shrink_forbids_o_trunc)
{
	int fd = memfd(2);

	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	CHECK_ERR(reopen(fd, O_RDWR | O_TRUNC), EPERM);
	CHECK_EQ(size_of(fd), 2 * PAGE);
}

TEST(seal_grow)
{
	char buf[200] = "text";
	int fd = memfd(1);

	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	CHECK_ERR(ftruncate(fd, 2 * PAGE), EPERM);
	CHECK_EQ(pwrite(fd, buf, 200, PAGE - 100), 100);
	CHECK_ERR(pwrite(fd, buf, 1, PAGE), EPERM);
	CHECK_ERR(fallocate(fd, 0, 0, 2 * PAGE), EPERM);
	CHECK_EQ(size_of(fd), PAGE);
	CHECK_EQ(pread(fd, buf, 200, PAGE - 100), 100);
	CHECK_EQ(buf[0], 't');
	CHECK_EQ(fallocate(fd, 0, 0, PAGE), 0);
	CHECK_EQ(ftruncate(fd, 100), 0);
	CHECK_ERR(pwrite(fd, buf, 101, 0), EPERM);
	CHECK_EQ(pwrite(fd, buf, 100, 0), 100);
}

TEST(a_write_over_the_sealed_end_stops_at_the_page_that_crosses_it)
{
	static char buf[3 * PAGE];
	int fd = memfd(2);

	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	memset(buf, 7, sizeof(buf));
	CHECK_EQ(pwrite(fd, buf, sizeof(buf), 0), 2 * PAGE);
	CHECK_EQ(size_of(fd), 2 * PAGE);
}

TEST(seal_write)
{
	int fd = memfd(2);
	struct iovec iov = {"x", 1};
	unsigned char *p;

	CHECK_EQ(pwrite(fd, "old", 3, 0), 3);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	CHECK_ERR(pwrite(fd, "x", 1, 0), EPERM);
	CHECK_ERR(writev(fd, &iov, 1), EPERM);
	CHECK_EQ(write(fd, "", 0), 0);
	CHECK_ERR(fallocate(fd, HOLE, 0, PAGE), EPERM);
	CHECK_ERR(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), EPERM);
	CHECK_ERR(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0), EPERM);
	p = map(fd, 1, PROT_READ, MAP_SHARED);
	CHECK_EQ(p[0], 'o');
	CHECK_ERR(mprotect(p, PAGE, RW), EACCES);
	CHECK_EQ(tap_signal_of(tap_poke, p), SIGSEGV);
	/* A copy of one's own, and the size, are something else. */
	p = map(fd, 1, RW, MAP_PRIVATE);
	p[0] = 'x';
	CHECK_EQ(ftruncate(fd, 3 * PAGE), 0);
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	CHECK_EQ(pread(fd, p + 1, 3, 0), 3);
	CHECK_EQ(p[1], 'o');
}

TEST(seal_write_waits_for_no_writable_map)
{
	int fd = memfd(2);
	unsigned char *p = map(fd, 2, RW, MAP_SHARED);

	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW), EBUSY);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK_EQ(munmap(p, PAGE), 0);
	/* It could become writable again. */
	CHECK_EQ(mprotect(p + PAGE, PAGE, PROT_READ), 0);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK_EQ(munmap(p + PAGE, PAGE), 0);
	/* This cannot. */
	map(fd, 1, RW, MAP_PRIVATE);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
}

TEST(seal_write_permits_maps_of_who_may_only_read)
{
	int fd = memfd(1), ro = reopen(fd, O_RDONLY);

	map(ro, 1, PROT_READ, MAP_SHARED);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
}

static int hold_map(void *arg)
{
	int *fds = arg;
	char c;

	return read(fds[0], &c, 1) == 1 ? 0 : 1;
}

TEST(a_map_of_a_child_counts)
{
	int fd = memfd(1), go[2], status;
	unsigned char *p = map(fd, 1, RW, MAP_SHARED);
	pid_t pid;

	CHECK_EQ(pipe(go), 0);
	pid = fork();
	if (pid == 0)
		_exit(hold_map(go));
	CHECK_EQ(munmap(p, PAGE), 0);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK_EQ(write(go[1], "x", 1), 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
}

TEST(seal_future_write_leaves_the_maps_that_are_there)
{
	int fd = memfd(1);
	unsigned char *p = map(fd, 1, RW, MAP_SHARED), *r;

	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	p[0] = 9;
	CHECK_ERR(pwrite(fd, "x", 1, 0), EPERM);
	CHECK_ERR(fallocate(fd, HOLE, 0, PAGE), EPERM);
	CHECK_ERR(mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), EPERM);
	r = map(fd, 1, PROT_READ, MAP_SHARED);
	CHECK_EQ(r[0], 9);
	CHECK_ERR(mprotect(r, PAGE, RW), EACCES);
	p[0] = 10;
	CHECK_EQ(r[0], 10);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK_EQ(munmap(p, PAGE), 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
}

static volatile int stop;

/* Maps for writing as fast as it can; what it got is written to. */
static void *map_and_store(void *arg)
{
	int fd = *(int *)arg;

	while (!stop) {
		unsigned char *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);

		if (p == MAP_FAILED)
			continue;
		p[0]++;
		munmap(p, PAGE);
		/* Most of the time nobody has a map: else the seal would wait for ever. */
		usleep(200);
	}
	return NULL;
}

TEST(after_the_seal_nobody_writes)
{
	for (int round = 0; round < 10; round++) {
		int fd = memfd(1);
		unsigned char before, now;
		pthread_t threads[2];

		stop = 0;
		for (int i = 0; i < 2; i++)
			CHECK_EQ(pthread_create(&threads[i], NULL, map_and_store, &fd), 0);
		while (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0)
			CHECK_EQ(errno, EBUSY);
		CHECK_EQ(pread(fd, &before, 1, 0), 1);
		for (int i = 0; i < 50; i++) {
			CHECK_EQ(pread(fd, &now, 1, 0), 1);
			CHECK_EQ(now, before);
		}
		stop = 1;
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		CHECK_EQ(pread(fd, &now, 1, 0), 1);
		CHECK_EQ(now, before);
		close(fd);
	}
}

/* ---- fallocate ---- */

TEST(a_hole_reads_as_zeros_and_gives_its_pages_back)
{
	int fd = memfd(8);
	unsigned char *p = map(fd, 8, RW, MAP_SHARED), *own = map(fd, 8, RW, MAP_PRIVATE);

	memset(p, 1, 8 * PAGE);
	own[3 * PAGE] = 5;
	CHECK_EQ(own[4 * PAGE], 1);
	CHECK_EQ(blocks(fd), 64);
	CHECK_EQ(fallocate(fd, HOLE, PAGE + 100, 5 * PAGE), 0);
	CHECK_EQ(blocks(fd), 32);
	CHECK_EQ(size_of(fd), 8 * PAGE);
	CHECK(p[PAGE + 99] == 1 && p[PAGE + 100] == 0 && p[2 * PAGE - 1] == 0);
	for (size_t i = 2 * PAGE; i < 6 * PAGE; i++)
		CHECK_EQ(p[i], 0);
	CHECK(p[6 * PAGE] == 0 && p[6 * PAGE + 99] == 0 && p[6 * PAGE + 100] == 1);
	/* What was copied stays, what was only seen is a hole. */
	CHECK(own[3 * PAGE] == 5 && own[3 * PAGE + 1] == 1 && own[4 * PAGE] == 0);
}

TEST(a_hole_inside_a_page)
{
	int fd = memfd(2);
	unsigned char *p = map(fd, 2, RW, MAP_SHARED);

	memset(p, 1, 2 * PAGE);
	CHECK_EQ(fallocate(fd, HOLE, 10, 20), 0);
	CHECK(p[9] == 1 && p[10] == 0 && p[29] == 0 && p[30] == 1);
	CHECK_EQ(fallocate(fd, HOLE, PAGE - 2, 4), 0);
	CHECK(p[PAGE - 3] == 1 && p[PAGE - 2] == 0 && p[PAGE + 1] == 0 && p[PAGE + 2] == 1);
	CHECK_EQ(fallocate(fd, HOLE, PAGE, 1 << 30), 0);
	CHECK_EQ(blocks(fd), 8);
	CHECK_EQ(size_of(fd), 2 * PAGE);
	CHECK(p[100] == 1 && p[PAGE + 5] == 0);
}

TEST(holes_give_memory_back)
{
	long before, full;
	unsigned char *p;
	int fd;

	tap_only_on_quire("only on Quire");
	before = shmem_kib();
	fd = memfd(256);
	p = map(fd, 256, RW, MAP_SHARED);
	memset(p, 1, 256 * PAGE);
	full = shmem_kib();
	CHECK_EQ(full - before, 1024);
	CHECK_EQ(fallocate(fd, HOLE, 0, 256 * PAGE), 0);
	CHECK_EQ(shmem_kib(), before);
	p[7] = 1;
	CHECK_EQ(shmem_kib(), before + 4);
}

TEST(fallocate_makes_pages)
{
	int fd = memfd(1);

	CHECK_EQ(blocks(fd), 0);
	CHECK_EQ(fallocate(fd, 0, PAGE, 3 * PAGE), 0);
	CHECK_EQ(size_of(fd), 4 * PAGE);
	CHECK_EQ(blocks(fd), 24);
	CHECK_EQ(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, PAGE), 0);
	CHECK_EQ(blocks(fd), 32);
	CHECK_EQ(posix_fallocate(fd, 0, 5 * PAGE), 0);
	CHECK_EQ(size_of(fd), 5 * PAGE);
}

TEST(fallocate_errors)
{
	int fd = memfd(1), ro = open(tap_file("file", 1) >= 0 ? "file" : "", O_RDONLY), pipes[2];

	CHECK_ERR(fallocate(fd, 0, -1, 1), EINVAL);
	CHECK_ERR(fallocate(fd, 0, 0, 0), EINVAL);
	CHECK_ERR(fallocate(fd, 0, 1, INT64_MAX), EFBIG);
	CHECK_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1), EOPNOTSUPP);
	CHECK_ERR(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 1), EOPNOTSUPP);
	CHECK_ERR(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE), EOPNOTSUPP);
	CHECK_ERR(fallocate(fd, 0x1000, 0, 1), EOPNOTSUPP);
	CHECK_ERR(fallocate(ro, 0, 0, 1), EBADF);
	CHECK_ERR(fallocate(-1, 0, 0, 1), EBADF);
	CHECK_EQ(pipe(pipes), 0);
	CHECK_ERR(fallocate(pipes[1], 0, 0, 1), ESPIPE);
}

TEST(madv_remove_makes_holes_for_all)
{
	long before = 0;
	int fd = memfd(4), file = tap_file("file", PAGE);
	unsigned char *p = map(fd, 4, RW, MAP_SHARED), *q = map(fd, 4, RW, MAP_SHARED), *anon, *own;

	memset(p, 1, 4 * PAGE);
	before = blocks(fd);
	CHECK_EQ(madvise(p + PAGE, 2 * PAGE, MADV_REMOVE), 0);
	CHECK_EQ(before - blocks(fd), 16);
	CHECK(q[PAGE - 1] == 1 && q[PAGE] == 0 && q[3 * PAGE - 1] == 0 && q[3 * PAGE] == 1);
	anon = mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(anon, 1, 4 * PAGE);
	CHECK_EQ(madvise(anon, 2 * PAGE, MADV_REMOVE), 0);
	CHECK(anon[0] == 0 && anon[2 * PAGE] == 1);
	own = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK_ERR(madvise(own, PAGE, MADV_REMOVE), EINVAL);
	CHECK_ERR(madvise(map(file, 1, RW, MAP_PRIVATE), PAGE, MADV_REMOVE), EACCES);
	/* Linux 6.7 asks what could be made writable. */
	if (access("/proc/sys/vm/verify", F_OK) == 0)
		CHECK_ERR(madvise(map(fd, 1, PROT_READ, MAP_SHARED), PAGE, MADV_REMOVE), EACCES);
	CHECK_EQ(mlock(anon, PAGE), 0);
	CHECK_ERR(madvise(anon, PAGE, MADV_REMOVE), EINVAL);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	CHECK_ERR(madvise(p, PAGE, MADV_REMOVE), EPERM);
	CHECK_EQ(p[0], 1);
}

static volatile int punching;

static void *punch(void *arg)
{
	int fd = *(int *)arg;

	while (punching)
		if (fallocate(fd, HOLE, 0, 4 * PAGE) < 0)
			return arg;
	return NULL;
}

TEST(holes_beside_stores)
{
	int fd = memfd(4);
	unsigned char *p = map(fd, 4, RW, MAP_SHARED);
	pthread_t thread;
	void *bad;

	punching = 1;
	CHECK_EQ(pthread_create(&thread, NULL, punch, &fd), 0);
	for (int i = 1; i < 3000; i++) {
		unsigned char seen;

		p[(size_t)i % 4 * PAGE] = 1;
		seen = p[(size_t)i % 4 * PAGE];
		CHECK(seen == 0 || seen == 1);
	}
	punching = 0;
	pthread_join(thread, &bad);
	CHECK(!bad);
	CHECK_EQ(fallocate(fd, HOLE, 0, 4 * PAGE), 0);
	for (size_t i = 0; i < 4; i++)
		CHECK_EQ(p[i * PAGE], 0);
}

/* ---- POSIX shared memory ---- */

TEST(shm_open_names_files_of_dev_shm)
{
	char name[64];
	struct stat st;
	int fd, again;

	snprintf(name, sizeof(name), "/tap.%d", (int)getpid());
	CHECK_ERR(shm_open(name, O_RDWR, 0), ENOENT);
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(ftruncate(fd, PAGE), 0);
	map(fd, 1, RW, MAP_SHARED)[3] = 7;
	CHECK_ERR(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	again = shm_open(name + 1, O_RDONLY, 0);
	CHECK(again >= 0);
	CHECK_EQ(map(again, 1, PROT_READ, MAP_SHARED)[3], 7);
	CHECK_ERR(mmap(NULL, PAGE, RW, MAP_SHARED, again, 0), EACCES);
	CHECK_EQ(shm_unlink(name), 0);
	CHECK_ERR(shm_unlink(name), ENOENT);
	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(st.st_nlink, 0);
}

TEST(shm_open_checks_the_name)
{
	char name[300];

	CHECK_ERR(shm_open("/", O_RDWR | O_CREAT, 0600), EINVAL);
	CHECK_ERR(shm_open("a/b", O_RDWR | O_CREAT, 0600), EINVAL);
	memset(name, 'x', sizeof(name));
	name[299] = '\0';
	CHECK_EQ(shm_open(name, O_RDWR | O_CREAT, 0600), -1);
	CHECK(errno == ENAMETOOLONG || errno == EINVAL);
}

TEST(dev_shm_is_a_tmpfs_of_its_own)
{
	struct stat dev, shm;

	CHECK(stat("/dev", &dev) == 0 && stat("/dev/shm", &shm) == 0);
	CHECK(dev.st_dev != shm.st_dev);
	CHECK_EQ(shm.st_mode & 07777, 01777);
}
