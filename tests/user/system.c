/* Time, the machine, /proc and the devices. */
#include "tap.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>

static char text[65536];

static const char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	ssize_t n;

	CHECK(fd >= 0);
	while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = 0;
	return text;
}

TEST(clocks_go_forward)
{
	struct timespec a, b;

	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &a), 0);
	for (int i = 0; i < 1000; i++) {
		CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &b), 0);
		CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
		CHECK(b.tv_nsec >= 0 && b.tv_nsec < 1000000000);
		a = b;
	}
	CHECK_ERR(clock_gettime(99, &a), EINVAL);
	CHECK_EQ(clock_getres(CLOCK_MONOTONIC, &a), 0);
	CHECK(a.tv_sec == 0 && a.tv_nsec > 0);
}

TEST(the_real_clock_is_in_this_century)
{
	struct timeval before, after;
	time_t now;

	CHECK_EQ(gettimeofday(&before, NULL), 0);
	CHECK(before.tv_sec > 1577836800 && before.tv_usec >= 0 && before.tv_usec < 1000000);
	now = time(NULL);
	CHECK_EQ(gettimeofday(&after, NULL), 0);
	/* time(2) may be a tick behind. */
	CHECK(now >= before.tv_sec - 1 && now <= after.tv_sec);
}

TEST(nanosleep_sleeps_at_least_as_long)
{
	const struct timespec ts = {0, 30000000}, bad = {0, 1000000000}, negative = {-1, 0};
	long start = tap_ms();

	CHECK_EQ(nanosleep(&ts, NULL), 0);
	CHECK(tap_ms() - start >= 29);
	CHECK_ERR(nanosleep(&bad, NULL), EINVAL);
	CHECK_ERR(nanosleep(&negative, NULL), EINVAL);
}

TEST(clock_nanosleep_until_an_absolute_time)
{
	struct timespec ts;
	long start = tap_ms();

	CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	ts.tv_nsec += 30000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL), 0);
	CHECK(tap_ms() - start >= 29);
	CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL), 0);
}

TEST(uname_and_sysinfo)
{
	struct utsname u;
	struct sysinfo info;

	CHECK_EQ(uname(&u), 0);
	CHECK(!strcmp(u.machine, "x86_64") && u.sysname[0] && u.release[0]);
	CHECK_EQ(sysinfo(&info), 0);
	CHECK(info.totalram > info.freeram && info.mem_unit > 0 && info.procs > 0);
	CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
}

TEST(getrandom_gives_random_bytes)
{
	unsigned char a[32], b[32];

	CHECK_EQ(getrandom(a, 32, 0), 32);
	CHECK_EQ(getrandom(b, 32, 0), 32);
	CHECK(memcmp(a, b, 32));
	CHECK_ERR(getrandom(a, 32, 0x1000), EINVAL);
}

TEST(proc_maps_shows_this_process)
{
	unsigned char *p =
		mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, tap_file("named", 3 * PAGE), 0);
	char want[64];

	slurp("/proc/self/maps");
	snprintf(want, sizeof(want), "%lx-%lx r--s 00000000 ", (unsigned long)p,
		(unsigned long)p + 3 * PAGE);
	CHECK(strstr(text, want));
	CHECK(strstr(text, "/named\n"));
	CHECK(strstr(text, "[stack]") && strstr(text, "[heap]"));
}

TEST(proc_status_tells_pid_and_parent)
{
	char want[32];

	slurp("/proc/self/status");
	snprintf(want, sizeof(want), "\nPid:\t%d\n", (int)getpid());
	CHECK(strstr(text, want));
	snprintf(want, sizeof(want), "\nPPid:\t%d\n", (int)getppid());
	CHECK(strstr(text, want));
	CHECK(strstr(text, "VmRSS:") && strstr(text, "State:\tR"));
}

TEST(proc_meminfo_has_its_lines)
{
	slurp("/proc/meminfo");
	CHECK(!strncmp(text, "MemTotal:", 9));
	CHECK(strstr(text, "\nMemFree:") && strstr(text, "\nMemAvailable:") &&
		strstr(text, "\nCached:"));
}

TEST(proc_self_links)
{
	char link[4096], pid[16];
	ssize_t n;

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	n = readlink("/proc/self", link, sizeof(link));
	CHECK(n > 0 && (size_t)n == strlen(pid) && !memcmp(link, pid, (size_t)n));
	n = readlink("/proc/self/exe", link, sizeof(link) - 1);
	CHECK(n > 0);
	link[n] = 0;
	CHECK(strstr(link, "/system"));
	n = readlink("/proc/self/fd/1", link, sizeof(link));
	CHECK(n > 0);
}

TEST(proc_of_a_missing_process_is_enoent)
{
	CHECK_ERR(open("/proc/999999/status", O_RDONLY), ENOENT);
	CHECK_ERR(open("/proc/nosuch", O_RDONLY), ENOENT);
}

TEST(proc_mounts_has_the_root)
{
	slurp("/proc/mounts");
	CHECK(strstr(text, " / ") && strstr(text, " /proc proc "));
}

TEST(devices_are_there)
{
	static const char *const names[] = {
		"/dev/null", "/dev/zero", "/dev/console", "/dev/tty", "/dev/urandom"};
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		CHECK(stat(names[i], &st) == 0 && S_ISCHR(st.st_mode));
}

TEST(dev_full_is_always_full)
{
	int fd = open("/dev/full", O_RDWR);

	CHECK(fd >= 0);
	CHECK_ERR(write(fd, "x", 1), ENOSPC);
}

TEST(an_unknown_system_call_is_enosys)
{
	CHECK_ERR(syscall(5000), ENOSYS);
	CHECK_ERR(syscall(-1), ENOSYS);
}

TEST(dev_zero_shared_is_memory)
{
	int fd = open("/dev/zero", O_RDWR);
	unsigned char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(tap_child(tap_poke, p), 0);
	CHECK_EQ(p[0], 1);
}

static void profile_say(const char *word, int err)
{
	int fd = open("/proc/profile", O_WRONLY);

	CHECK(fd >= 0);
	if (err)
		CHECK_ERR(write(fd, word, strlen(word)), err);
	else
		CHECK_EQ(write(fd, word, strlen(word)), (long)strlen(word));
	close(fd);
}

/* => the number of samples in user mode; *named: those of this program. */
static long profile_user_samples(long *named)
{
	char line[160];
	FILE *f = fopen("/proc/profile", "r");
	long user = -1, n;

	CHECK(f);
	*named = 0;
	CHECK(fgets(line, sizeof(line), f));
	CHECK_EQ(sscanf(line, "samples %*d kernel %*d user %ld idle %*d", &user), 1);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%ld %*d user system", &n) == 1 && strstr(line, " user system"))
			*named = n;
	}
	fclose(f);
	return user;
}

TEST(profile_counts_where_time_goes)
{
	long user, named, start;

	if (access("/proc/profile", F_OK) != 0)
		tap_skip("no /proc/profile");
	profile_say("begin", EINVAL);
	profile_say("start 0", EINVAL);
	profile_say("start 2000", 0);
	/* As long as it takes: a CPU that stands still takes no samples. */
	do {
		for (start = tap_ms(); tap_ms() - start < 100;)
			for (volatile int i = 0; i < 10000; i++)
				;
		user = profile_user_samples(&named);
	} while (named <= 10);
	profile_say("stop", 0);
	user = profile_user_samples(&named);
	CHECK(named > 10 && named <= user);
	CHECK_EQ(profile_user_samples(&named), user);
	profile_say("clear", 0);
	CHECK_EQ(profile_user_samples(&named), 0);
}
