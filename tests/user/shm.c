/*
 * System V shared memory. foreign/abi_shm.c builds the same tests with other C libraries. What
 * changes a setting of the whole machine, or what only a Linux of another making would do, runs on
 * Quire only.
 */
#include "tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <time.h>

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif

#define RW	  (PROT_READ | PROT_WRITE)
#define NO_ADDR	  ((void *)-1)
#define KEY	  ((key_t)(0x51000000 | (getpid() & 0xffffff)))
#define BAD_PTR	  ((void *)8)
#define EXEC_FILE "/bin/cat"

/* The segments of a test go at its end. */
static int made[300], nmade;

static int note(int id)
{
	CHECK(id >= 0);
	CHECK(nmade < 300);
	made[nmade++] = id;
	return id;
}

#define SHM_TEST(name)                                         \
	static void name(void);                                \
	TEST(name)                                             \
	{                                                      \
		name();                                        \
		while (nmade > 0)                              \
			shmctl(made[--nmade], IPC_RMID, NULL); \
	}                                                      \
	static void name(void)

static int segment(size_t pages)
{
	return note(shmget(IPC_PRIVATE, pages * PAGE, 0600));
}

static unsigned char *attach(int id)
{
	unsigned char *p = shmat(id, NULL, 0);

	CHECK(p != NO_ADDR);
	return p;
}

static struct shmid_ds status(int id)
{
	struct shmid_ds ds;

	CHECK_EQ(shmctl(id, IPC_STAT, &ds), 0);
	return ds;
}

static long nattch(int id)
{
	return (long)status(id).shm_nattch;
}

static unsigned mode_of(int id)
{
	return status(id).shm_perm.mode;
}

static void remove_id(int id)
{
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
}

static void set(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
	close(fd);
}

static long meminfo(const char *name)
{
	char line[128], key[64];
	long kib = -1, value;
	FILE *f = fopen("/proc/meminfo", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63[^:]: %ld", key, &value) == 2 && !strcmp(key, name))
			kib = value;
	fclose(f);
	return kib;
}

/* ---- shmget ---- */

SHM_TEST(a_segment_is_zero_and_shared)
{
	int id = segment(4);
	unsigned char *a = attach(id), *b = attach(id);

	CHECK(a != b);
	for (size_t i = 0; i < 4 * PAGE; i++)
		CHECK_EQ(a[i], 0);
	a[3 * PAGE] = 7;
	b[0] = 9;
	CHECK(b[3 * PAGE] == 7 && a[0] == 9);
}

SHM_TEST(contents_outlive_every_map)
{
	int id = segment(1);
	unsigned char *p = attach(id);

	p[5] = 42;
	CHECK_EQ(shmdt(p), 0);
	p = attach(id);
	CHECK_EQ(p[5], 42);
}

SHM_TEST(private_segments_are_never_the_same)
{
	int a = segment(1), b = segment(1);

	CHECK(a != b);
	CHECK_EQ(status(a).shm_perm.__key, IPC_PRIVATE);
}

SHM_TEST(a_key_names_one_segment)
{
	int id = note(shmget(KEY, 2 * PAGE, IPC_CREAT | 0640));

	CHECK_EQ(shmget(KEY, 2 * PAGE, 0), id);
	CHECK_EQ(shmget(KEY, 2 * PAGE, IPC_CREAT), id);
	CHECK_EQ(shmget(KEY, 0, 0), id);
	CHECK_EQ(shmget(KEY, PAGE, IPC_EXCL), id);
	CHECK_EQ(status(id).shm_perm.__key, KEY);
}

SHM_TEST(shmget_errors)
{
	CHECK_ERR(shmget(KEY, PAGE, 0), ENOENT);
	CHECK_ERR(shmget(KEY, 0, IPC_CREAT | 0600), EINVAL);
	CHECK_ERR(shmget(KEY, (size_t)-1, IPC_CREAT | 0600), EINVAL);
	note(shmget(KEY, PAGE, IPC_CREAT | 0600));
	CHECK_ERR(shmget(KEY, PAGE, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	CHECK_ERR(shmget(KEY, PAGE + 1, 0), EINVAL);
	CHECK_ERR(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
}

SHM_TEST(huge_pages_are_refused)
{
	tap_only_on_quire("only on Quire");
	CHECK_ERR(shmget(IPC_PRIVATE, 2 << 20, SHM_HUGETLB | 0600), EINVAL);
}

SHM_TEST(a_size_of_no_whole_pages)
{
	int id = note(shmget(IPC_PRIVATE, PAGE + 100, 0600));
	unsigned char *p = attach(id);

	CHECK_EQ(status(id).shm_segsz, PAGE + 100);
	CHECK_EQ(p[2 * PAGE - 1], 0);
	CHECK_EQ(tap_signal_of(tap_poke, p + 2 * PAGE - 1), 0);
	CHECK_EQ(shmdt(p), 0);
	CHECK_EQ(tap_signal_of(tap_peek, p + PAGE), SIGSEGV);
}

static int create_once(void *arg)
{
	int id = shmget(*(key_t *)arg, PAGE, IPC_CREAT | IPC_EXCL | 0600);

	return id >= 0 ? 1 : errno == EEXIST ? 0 : 2;
}

SHM_TEST(of_many_creators_one_wins)
{
	for (int round = 0; round < 10; round++) {
		key_t key = KEY + 0x1000000 * (round + 1);
		int wins = 0, status_of;
		pid_t pid[6];

		for (int i = 0; i < 6; i++) {
			pid[i] = fork();
			if (pid[i] == 0)
				_exit(create_once(&key));
		}
		for (int i = 0; i < 6; i++) {
			CHECK_EQ(waitpid(pid[i], &status_of, 0), pid[i]);
			CHECK(WIFEXITED(status_of) && WEXITSTATUS(status_of) <= 1);
			wins += WEXITSTATUS(status_of);
		}
		CHECK_EQ(wins, 1);
		remove_id(shmget(key, 0, 0));
	}
}

SHM_TEST(ids_are_not_used_again_soon)
{
	int old = segment(1);

	remove_id(old);
	for (int i = 0; i < 200; i++) {
		int id = segment(1);

		CHECK(id != old);
		remove_id(id);
	}
}

/* ---- shmat, shmdt ---- */

SHM_TEST(shmat_takes_an_address)
{
	int id = segment(2);
	unsigned char *room = mmap(NULL, 8 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(room != MAP_FAILED && munmap(room, 8 * PAGE) == 0);
	CHECK(shmat(id, room, 0) == room);
	CHECK(shmat(id, room + 4 * PAGE + 77, SHM_RND) == room + 4 * PAGE);
	CHECK_ERR(shmat(id, room + 2 * PAGE + 1, 0), EINVAL);
}

SHM_TEST(shmat_does_not_overwrite_but_remaps)
{
	int id = segment(2);
	unsigned char *p = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(p, 1, 4 * PAGE);
	CHECK_ERR(shmat(id, p + PAGE, 0), EINVAL);
	CHECK_EQ(nattch(id), 0);
	CHECK(shmat(id, p + PAGE, SHM_REMAP) == p + PAGE);
	CHECK(p[0] == 1 && p[PAGE] == 0 && p[3 * PAGE - 1] == 0 && p[3 * PAGE] == 1);
	CHECK_ERR(shmat(id, NULL, SHM_REMAP), EINVAL);
	CHECK_ERR(shmat(id, (void *)5, SHM_REMAP | SHM_RND), EINVAL);
	CHECK_EQ(nattch(id), 1);
}

SHM_TEST(shmat_errors)
{
	int id = segment(1);

	CHECK_ERR(shmat(-1, NULL, 0), EINVAL);
	CHECK_ERR(shmat(id + 1, NULL, 0), EINVAL);
	CHECK_ERR(shmat(id, (void *)(-PAGE), 0), EINVAL);
	CHECK_ERR(shmat(id, (void *)(1UL << 47), 0), ENOMEM);
	remove_id(id);
	CHECK_ERR(shmat(id, NULL, 0), EINVAL);
}

SHM_TEST(shmat_respects_rlimit_as)
{
	int id = segment(16384);
	struct rlimit rl = {.rlim_cur = 60 << 20, .rlim_max = 60 << 20};

	CHECK_EQ(setrlimit(RLIMIT_AS, &rl), 0);
	CHECK_ERR(shmat(id, NULL, 0), ENOMEM);
	CHECK_EQ(nattch(id), 0);
}

SHM_TEST(a_read_only_area_stays_so)
{
	int id = segment(1);
	unsigned char *w = attach(id), *r = shmat(id, NULL, SHM_RDONLY);

	CHECK(r != NO_ADDR);
	w[0] = 3;
	CHECK_EQ(r[0], 3);
	CHECK_EQ(tap_signal_of(tap_poke, r), SIGSEGV);
	CHECK_ERR(mprotect(r, PAGE, RW), EACCES);
	CHECK_EQ(mprotect(w, PAGE, PROT_READ), 0);
	CHECK_EQ(tap_signal_of(tap_poke, w), SIGSEGV);
	CHECK_EQ(mprotect(w, PAGE, RW), 0);
	CHECK_EQ(tap_signal_of(tap_poke, w), 0);
}

SHM_TEST(code_runs_in_an_executable_area)
{
	int id = segment(1);
	unsigned char *w = attach(id), *x = shmat(id, NULL, SHM_EXEC | SHM_RDONLY);
	static const unsigned char ret_7[] = {0xb8, 7, 0, 0, 0, 0xc3};

	CHECK(x != NO_ADDR);
	memcpy(w, ret_7, sizeof(ret_7));
	CHECK_EQ(((int (*)(void))x)(), 7);
}

SHM_TEST(shmdt_wants_the_start_of_an_area)
{
	int id = segment(3);
	unsigned char *p = attach(id),
		      *other = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK_ERR(shmdt(p + 1), EINVAL);
	CHECK_ERR(shmdt(p + PAGE), EINVAL);
	CHECK_ERR(shmdt(other), EINVAL);
	CHECK_ERR(shmdt((void *)(-PAGE)), EINVAL);
	CHECK_EQ(shmdt(p), 0);
	CHECK_ERR(shmdt(p), EINVAL);
	other[0] = 1;
}

SHM_TEST(shmdt_takes_all_that_is_left)
{
	int id = segment(5);
	unsigned char *p = attach(id), *hole;

	CHECK_EQ(munmap(p, PAGE), 0);
	CHECK_EQ(munmap(p + 2 * PAGE, PAGE), 0);
	CHECK_EQ(nattch(id), 2);
	hole = mmap(p + 2 * PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(hole == p + 2 * PAGE);
	hole[0] = 4;
	CHECK_EQ(shmdt(p), 0);
	CHECK_EQ(nattch(id), 0);
	CHECK_EQ(hole[0], 4);
	CHECK_EQ(tap_signal_of(tap_peek, p + PAGE), SIGSEGV);
	CHECK_EQ(tap_signal_of(tap_peek, p + 4 * PAGE), SIGSEGV);
}

SHM_TEST(shmdt_leaves_the_neighbour_area_alone)
{
	int id = segment(2);
	unsigned char *p = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(shmat(id, p, SHM_REMAP) == p && shmat(id, p + 2 * PAGE, SHM_REMAP) == p + 2 * PAGE);
	CHECK_EQ(nattch(id), 2);
	p[2 * PAGE] = 1;
	CHECK_EQ(shmdt(p), 0);
	CHECK_EQ(nattch(id), 1);
	CHECK_EQ(p[2 * PAGE], 1);
	CHECK_EQ(tap_signal_of(tap_peek, p + PAGE), SIGSEGV);
}

/* ---- who counts as attached ---- */

SHM_TEST(nattch_counts_areas_and_their_parts)
{
	int id = segment(4);
	unsigned char *a = attach(id), *b = attach(id);

	CHECK_EQ(nattch(id), 2);
	CHECK_EQ(munmap(a + PAGE, PAGE), 0);
	CHECK_EQ(nattch(id), 3);
	CHECK_EQ(mprotect(b + PAGE, PAGE, PROT_READ), 0);
	CHECK_EQ(nattch(id), 5);
	CHECK_EQ(shmdt(b), 0);
	CHECK_EQ(nattch(id), 2);
	CHECK_EQ(munmap(a, 4 * PAGE), 0);
	CHECK_EQ(nattch(id), 0);
}

SHM_TEST(nattch_follows_fork_and_exit)
{
	int id = segment(1), go[2], status_of;
	unsigned char *p = attach(id), c = 0;
	pid_t pid;

	CHECK_EQ(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		p[1] = 5;
		_exit(read(go[0], &c, 1) == 1 ? 0 : 1);
	}
	CHECK_EQ(nattch(id), 2);
	CHECK_EQ(write(go[1], &c, 1), 1);
	CHECK_EQ(waitpid(pid, &status_of, 0), pid);
	CHECK_EQ(status_of, 0);
	CHECK_EQ(nattch(id), 1);
	CHECK_EQ(p[1], 5);
}

SHM_TEST(exec_detaches)
{
	int id = segment(1), in[2], gone[2], status_of;
	unsigned char *p = attach(id), c;
	pid_t pid;

	CHECK(pipe(in) == 0 && pipe(gone) == 0);
	fcntl(gone[1], F_SETFD, FD_CLOEXEC);
	fcntl(in[1], F_SETFD, FD_CLOEXEC);
	pid = fork();
	if (pid == 0) {
		dup2(in[0], 0);
		execl(EXEC_FILE, EXEC_FILE, (char *)NULL);
		_exit(99);
	}
	close(gone[1]);
	/* exec closes the other end. */
	CHECK_EQ(read(gone[0], &c, 1), 0);
	CHECK_EQ(nattch(id), 1);
	close(in[1]);
	CHECK_EQ(waitpid(pid, &status_of, 0), pid);
	CHECK_EQ(status_of, 0);
	CHECK_EQ(shmdt(p), 0);
}

SHM_TEST(mremap_moves_and_grows_an_area)
{
	int id = segment(2);
	unsigned char *p = attach(id), *q;
	unsigned char *room = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	p[PAGE] = 6;
	q = mremap(p, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	CHECK(q == room);
	CHECK_EQ(nattch(id), 1);
	CHECK_EQ(q[PAGE], 6);
	/* Behind the segment there is nothing. */
	CHECK_EQ(tap_signal_of(tap_peek, q + 2 * PAGE), SIGBUS);
	CHECK_ERR(shmdt(p), EINVAL);
	CHECK_EQ(shmdt(q), 0);
	CHECK_EQ(nattch(id), 0);
}

SHM_TEST(a_second_area_by_mremap_counts)
{
	int id = segment(1);
	unsigned char *p = attach(id), *q = mremap(p, 0, PAGE, MREMAP_MAYMOVE);

	CHECK(q != MAP_FAILED && q != p);
	CHECK_EQ(nattch(id), 2);
	p[0] = 8;
	CHECK_EQ(q[0], 8);
	CHECK(shmdt(q) == 0 && shmdt(p) == 0);
	CHECK_EQ(nattch(id), 0);
}

/* ---- the end of a segment ---- */

SHM_TEST(an_unused_segment_goes_at_once)
{
	struct shmid_ds ds;
	int id = note(shmget(KEY, PAGE, IPC_CREAT | 0600));

	remove_id(id);
	CHECK_ERR(shmctl(id, IPC_STAT, &ds), EINVAL);
	CHECK_ERR(shmctl(id, IPC_RMID, NULL), EINVAL);
	CHECK_ERR(shmget(KEY, PAGE, 0), ENOENT);
}

SHM_TEST(a_used_segment_goes_with_its_last_map)
{
	struct shmid_ds ds;
	int id = note(shmget(KEY, PAGE, IPC_CREAT | 0600)), next;
	unsigned char *p = attach(id), *q;

	p[0] = 1;
	remove_id(id);
	CHECK(mode_of(id) & SHM_DEST);
	CHECK_EQ(status(id).shm_perm.__key, IPC_PRIVATE);
	CHECK_EQ(nattch(id), 1);
	/* The key is free again, and the id still works. */
	CHECK_ERR(shmget(KEY, PAGE, 0), ENOENT);
	next = note(shmget(KEY, PAGE, IPC_CREAT | IPC_EXCL | 0600));
	CHECK(next != id);
	q = attach(id);
	CHECK_EQ(q[0], 1);
	CHECK_EQ(shmdt(p), 0);
	CHECK_EQ(q[0], 1);
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
	CHECK_EQ(munmap(q, PAGE), 0);
	CHECK_ERR(shmctl(id, IPC_STAT, &ds), EINVAL);
	CHECK_EQ(shmget(KEY, 0, 0), next);
}

static int wait_for_end(void *arg)
{
	return pause() + *(int *)arg;
}

SHM_TEST(the_last_map_goes_with_a_killed_process)
{
	struct shmid_ds ds;
	int id = segment(4), status_of;
	unsigned char *p = attach(id);
	pid_t pid = fork();

	if (pid == 0)
		_exit(wait_for_end(&id));
	remove_id(id);
	CHECK_EQ(shmdt(p), 0);
	CHECK_EQ(nattch(id), 1);
	kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, &status_of, 0), pid);
	CHECK_ERR(shmctl(id, IPC_STAT, &ds), EINVAL);
}

SHM_TEST(pages_are_given_back)
{
	size_t pages = 512;
	long before, full;
	unsigned char *p;
	int id;

	tap_only_on_quire("only on Quire");
	before = meminfo("Shmem");
	id = segment(pages);
	p = attach(id);
	memset(p, 1, pages * PAGE);
	full = meminfo("Shmem");
	CHECK_EQ(full - before, (long)(pages * PAGE / 1024));
	CHECK_EQ(shmdt(p), 0);
	CHECK_EQ(meminfo("Shmem"), full);
	remove_id(id);
	CHECK_EQ(meminfo("Shmem"), before);
}

/* ---- shmctl ---- */

SHM_TEST(status_of_a_new_segment)
{
	time_t now = time(NULL);
	int id = note(shmget(KEY, 3 * PAGE, IPC_CREAT | 0640));
	struct shmid_ds ds = status(id);

	CHECK_EQ(ds.shm_perm.mode, 0640);
	CHECK(ds.shm_perm.uid == getuid() && ds.shm_perm.cuid == getuid());
	CHECK(ds.shm_perm.gid == getgid() && ds.shm_perm.cgid == getgid());
	CHECK_EQ(ds.shm_perm.__seq, id >> 15);
	CHECK_EQ(ds.shm_segsz, 3 * PAGE);
	CHECK_EQ(ds.shm_cpid, getpid());
	CHECK_EQ(ds.shm_lpid, 0);
	CHECK_EQ(ds.shm_nattch, 0);
	CHECK(ds.shm_atime == 0 && ds.shm_dtime == 0);
	CHECK(ds.shm_ctime >= now && ds.shm_ctime <= time(NULL));
}

static int attach_once(void *arg)
{
	void *p = shmat(*(int *)arg, NULL, 0);

	return p == NO_ADDR || shmdt(p) < 0;
}

SHM_TEST(status_tells_who_attached_last)
{
	time_t now = time(NULL);
	struct shmid_ds ds;
	int id = segment(1), status_of;
	unsigned char *p = attach(id);
	pid_t pid;

	ds = status(id);
	CHECK(ds.shm_lpid == getpid() && ds.shm_dtime == 0);
	CHECK(ds.shm_atime >= now && ds.shm_atime <= time(NULL));
	CHECK_EQ(shmdt(p), 0);
	pid = fork();
	if (pid == 0)
		_exit(attach_once(&id));
	CHECK_EQ(waitpid(pid, &status_of, 0), pid);
	CHECK_EQ(status_of, 0);
	ds = status(id);
	CHECK_EQ(ds.shm_lpid, pid);
	CHECK_EQ(ds.shm_cpid, getpid());
	CHECK(ds.shm_dtime >= now && ds.shm_dtime <= time(NULL));
}

SHM_TEST(ipc_set_changes_the_rights)
{
	int id = segment(1);
	struct shmid_ds ds = status(id);

	ds.shm_perm.mode = 07444;
	ds.shm_segsz = 1;
	ds.shm_nattch = 99;
	CHECK_EQ(shmctl(id, IPC_SET, &ds), 0);
	CHECK_EQ(mode_of(id), 0444);
	CHECK_EQ(status(id).shm_segsz, PAGE);
	CHECK_EQ(nattch(id), 0);
	ds.shm_perm.uid = (unsigned)-1;
	CHECK_ERR(shmctl(id, IPC_SET, &ds), EINVAL);
}

SHM_TEST(shm_lock_sets_a_bit)
{
	int id = segment(1);

	CHECK_EQ(shmctl(id, SHM_LOCK, NULL), 0);
	CHECK_EQ(mode_of(id), 0600 | 02000);
	CHECK_EQ(shmctl(id, SHM_LOCK, NULL), 0);
	CHECK_EQ(shmctl(id, SHM_UNLOCK, NULL), 0);
	CHECK_EQ(mode_of(id), 0600);
	CHECK_EQ(shmctl(id, SHM_UNLOCK, NULL), 0);
}

SHM_TEST(shm_lock_respects_rlimit_memlock)
{
	struct rlimit rl = {.rlim_cur = 64 * PAGE, .rlim_max = 64 * PAGE};
	int big, small, third;

	tap_only_on_quire("only on Quire");
	big = segment(64);
	small = segment(16);
	third = segment(1);
	CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &rl), 0);
	CHECK_EQ(shmctl(small, SHM_LOCK, NULL), 0);
	CHECK_ERR(shmctl(big, SHM_LOCK, NULL), ENOMEM);
	/* What goes is locked no more. */
	remove_id(small);
	CHECK_EQ(shmctl(big, SHM_LOCK, NULL), 0);
	CHECK_ERR(shmctl(third, SHM_LOCK, NULL), ENOMEM);
	CHECK_EQ(shmctl(big, SHM_UNLOCK, NULL), 0);
	CHECK_EQ(shmctl(third, SHM_LOCK, NULL), 0);
	rl.rlim_cur = 0;
	CHECK_EQ(setrlimit(RLIMIT_MEMLOCK, &rl), 0);
	CHECK_ERR(shmctl(big, SHM_LOCK, NULL), EPERM);
}

SHM_TEST(shmctl_errors)
{
	int id = segment(1);
	struct shmid_ds ds;

	CHECK_ERR(shmctl(-1, IPC_STAT, &ds), EINVAL);
	CHECK_ERR(shmctl(id, 99, &ds), EINVAL);
	CHECK_ERR(shmctl(id, -1, &ds), EINVAL);
	CHECK_ERR(shmctl(id + 32768, IPC_STAT, &ds), EINVAL);
	CHECK_ERR(shmctl(id, IPC_STAT, BAD_PTR), EFAULT);
	CHECK_ERR(shmctl(id, IPC_SET, BAD_PTR), EFAULT);
	CHECK_ERR(shmctl(0, IPC_INFO, BAD_PTR), EFAULT);
	CHECK_ERR(shmctl(0, SHM_INFO, BAD_PTR), EFAULT);
	CHECK_ERR(shmctl(32767, SHM_STAT, &ds), EINVAL);
}

SHM_TEST(segments_are_found_by_index)
{
	int id = segment(7), found = 0, highest;
	struct shminfo limits;
	struct shmid_ds ds;

	highest = shmctl(0, IPC_INFO, (struct shmid_ds *)&limits);
	CHECK(highest >= 0);
	CHECK_EQ(limits.shmmin, 1);
	CHECK(limits.shmmax >= 1 << 20 && limits.shmall > 0 && limits.shmmni == limits.shmseg);
	for (int i = 0; i <= highest; i++) {
		int got = shmctl(i, SHM_STAT, &ds);

		if (got != id)
			continue;
		found++;
		CHECK_EQ(i, id & 32767);
		CHECK_EQ(ds.shm_segsz, 7 * PAGE);
		CHECK_EQ(shmctl(i, SHM_STAT_ANY, &ds), id);
	}
	CHECK_EQ(found, 1);
}

SHM_TEST(shm_info_counts)
{
	struct shm_info before, after;
	unsigned char *p;
	int id;

	CHECK(shmctl(0, SHM_INFO, (struct shmid_ds *)&before) >= 0);
	id = note(shmget(IPC_PRIVATE, 9 * PAGE + 1, 0600));
	p = attach(id);
	p[0] = p[5 * PAGE] = 1;
	CHECK(shmctl(0, SHM_INFO, (struct shmid_ds *)&after) >= 0);
	CHECK_EQ(after.used_ids - before.used_ids, 1);
	CHECK_EQ(after.shm_tot - before.shm_tot, 10);
	CHECK_EQ(after.shm_rss - before.shm_rss, 2);
	CHECK_EQ(after.shm_swp, 0);
}

/* ---- /proc ---- */

SHM_TEST(proc_sysvipc_lists_segments)
{
	int id = note(shmget(KEY, 5 * PAGE, IPC_CREAT | 0604)), found = 0, lines = 0;
	unsigned char *p = attach(id);
	char line[512];
	FILE *f;

	p[0] = 1;
	f = fopen("/proc/sysvipc/shm", "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long size, n, atime, dtime, ctime_of, rss, swap;
		unsigned mode, uid, gid, cuid, cgid;
		int key, got, cpid, lpid;

		if (lines++ == 0) {
			CHECK(strstr(line, "shmid perms") && strstr(line, "nattch"));
			continue;
		}
		CHECK_EQ(sscanf(line, "%d %d %o %lu %d %d %lu %u %u %u %u %lu %lu %lu %lu %lu",
				 &key, &got, &mode, &size, &cpid, &lpid, &n, &uid, &gid, &cuid,
				 &cgid, &atime, &dtime, &ctime_of, &rss, &swap),
			16);
		if (got != id)
			continue;
		found++;
		CHECK(key == KEY && mode == 0604 && size == 5 * PAGE && n == 1);
		CHECK(cpid == getpid() && lpid == getpid() && rss == PAGE && swap == 0);
	}
	fclose(f);
	CHECK_EQ(found, 1);
}

SHM_TEST(maps_name_the_segment)
{
	int id = note(shmget(KEY, 3 * PAGE, IPC_CREAT | 0600)), found = 0;
	unsigned char *p = attach(id);
	char line[512], want[64];
	FILE *f;

	CHECK_EQ(mprotect(p + PAGE, PAGE, PROT_READ), 0);
	snprintf(want, sizeof(want), "/SYSV%08x (deleted)\n", (unsigned)KEY);
	f = fopen("/proc/self/maps", "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long start, end, offset, ino;
		char rights[5];

		if (!strstr(line, "/SYSV"))
			continue;
		CHECK(strstr(line, want));
		CHECK_EQ(sscanf(line, "%lx-%lx %4s %lx %*x:%*x %lu", &start, &end, rights, &offset,
				 &ino),
			5);
		CHECK_EQ(start, (unsigned long)p + found * PAGE);
		CHECK_EQ(offset, found * PAGE);
		CHECK_EQ(ino, id);
		CHECK(!strcmp(rights, found == 1 ? "r--s" : "rw-s"));
		found++;
	}
	fclose(f);
	CHECK_EQ(found, 3);
}

SHM_TEST(limits_can_be_set)
{
	struct shm_info now;
	char text[32];

	tap_only_on_quire("only on Quire");
	segment(4);
	CHECK(shmctl(0, SHM_INFO, (struct shmid_ds *)&now) >= 0);
	snprintf(text, sizeof(text), "%d", now.used_ids);
	set("/proc/sys/kernel/shmmni", text);
	CHECK_ERR(shmget(IPC_PRIVATE, PAGE, 0600), ENOSPC);
	set("/proc/sys/kernel/shmmni", "4096\n");
	snprintf(text, sizeof(text), "%lu", now.shm_tot + 3);
	set("/proc/sys/kernel/shmall", text);
	CHECK_ERR(shmget(IPC_PRIVATE, 4 * PAGE, 0600), ENOSPC);
	segment(3);
	set("/proc/sys/kernel/shmall", "18446744073692774399\n");
	set("/proc/sys/kernel/shmmax", "8192\n");
	CHECK_ERR(shmget(IPC_PRIVATE, 8193, 0600), EINVAL);
	segment(2);
	set("/proc/sys/kernel/shmmax", "18446744073692774399\n");
}

SHM_TEST(segments_are_charged_when_they_are_made)
{
	long before, mib = 16;
	int id;

	tap_only_on_quire("only on Quire");
	before = meminfo("Committed_AS");
	id = note(shmget(IPC_PRIVATE, (size_t)mib << 20, 0600));
	CHECK_EQ(meminfo("Committed_AS") - before, mib << 10);
	remove_id(id);
	CHECK_EQ(meminfo("Committed_AS"), before);
	id = note(shmget(IPC_PRIVATE, (size_t)mib << 20, SHM_NORESERVE | 0600));
	CHECK_EQ(meminfo("Committed_AS"), before);
	/* More than the machine has. */
	CHECK_ERR(shmget(KEY, (size_t)meminfo("MemTotal") << 11, IPC_CREAT | 0600), ENOMEM);
	CHECK_ERR(shmget(KEY, PAGE, 0), ENOENT);
	CHECK_EQ(meminfo("Committed_AS"), before);
}

/* ---- together ---- */

struct crew {
	int id;
	int bad;
};

static void *attach_and_detach(void *arg)
{
	struct crew *crew = arg;

	for (int i = 0; i < 200; i++) {
		unsigned char *p = shmat(crew->id, NULL, i & 1 ? SHM_RDONLY : 0);

		if (p == NO_ADDR) {
			__atomic_fetch_add(&crew->bad, 1, __ATOMIC_RELAXED);
			break;
		}
		if (!(i & 1))
			__atomic_fetch_add((int *)p, 1, __ATOMIC_RELAXED);
		if (i % 3 == 0 && munmap(p + PAGE, PAGE) < 0)
			__atomic_fetch_add(&crew->bad, 1, __ATOMIC_RELAXED);
		if (shmdt(p) < 0)
			__atomic_fetch_add(&crew->bad, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static int crew_of_threads(void *arg)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, attach_and_detach, arg) != 0)
			return 1;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	return ((struct crew *)arg)->bad;
}

SHM_TEST(threads_and_processes_attach_at_once)
{
	struct crew crew = {.id = segment(3)};
	unsigned char *p = attach(crew.id);
	int status_of;
	pid_t pid[3];

	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			_exit(crew_of_threads(&crew));
	}
	CHECK_EQ(crew_of_threads(&crew), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(waitpid(pid[i], &status_of, 0), pid[i]);
		CHECK_EQ(status_of, 0);
	}
	CHECK_EQ(nattch(crew.id), 1);
	CHECK_EQ(*(int *)p, 4 * 4 * 100);
}

/* One removes what another attaches: that succeeds as a whole or not at all. */
SHM_TEST(removal_beside_attach)
{
	for (int round = 0; round < 60; round++) {
		struct shmid_ds ds;
		int id = shmget(IPC_PRIVATE, PAGE, 0600), status_of;
		pid_t pid;
		void *p;

		CHECK(id >= 0);
		pid = fork();
		if (pid == 0) {
			p = shmat(id, NULL, 0);
			if (p == NO_ADDR)
				_exit(errno != EINVAL && errno != EIDRM);
			*(volatile char *)p = 1;
			/* Mapped: so it is still there, and somebody's last map. */
			_exit(shmctl(id, IPC_STAT, &ds) < 0 || ds.shm_nattch < 1);
		}
		remove_id(id);
		CHECK_EQ(waitpid(pid, &status_of, 0), pid);
		CHECK_EQ(status_of, 0);
		CHECK_ERR(shmctl(id, IPC_STAT, &ds), EINVAL);
	}
}

SHM_TEST(ftok_depends_on_file_and_id)
{
	key_t a, b;

	close(tap_file("a", 1));
	close(tap_file("b", 1));
	a = ftok("a", 1);
	b = ftok("b", 1);
	CHECK(a != -1 && b != -1 && a != b);
	CHECK(ftok("a", 1) == a && ftok("a", 2) != a);
	CHECK_ERR(ftok("none", 1), ENOENT);
}
