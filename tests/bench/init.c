/*
 * pid 1 of a benchmark boot, the same file on both kernels. Loads the modules that Linux needs for
 * its disk (a kernel with everything built in has no /modules), mounts the ext2 disk with the
 * programs, makes it the root and runs the plan: one line a row, "PROGRAM ARGUMENTS...".
 */
#include "bench.h"
#include <sys/mount.h>
#include <sys/reboot.h>

#define ARGS_MAX 8

static void load_modules(void)
{
	char line[256];
	FILE *order = fopen("/modules/order", "r");

	if (!order)
		return;
	while (fgets(line, sizeof(line), order)) {
		char path[300];
		int fd;

		line[strcspn(line, "\n")] = '\0';
		snprintf(path, sizeof(path), "/modules/%s", line);
		fd = open(path, O_RDONLY);
		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
			printf("failed module %s: %s\n", line, strerror(errno));
		close(fd);
	}
	fclose(order);
}

static void print_memory(void)
{
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");
	long total = 0, available = 0;

	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "MemTotal: %ld", &total);
		sscanf(line, "MemFree: %ld", &available);
	}
	if (f)
		fclose(f);
	printf("memory %ld %ld\n", total, available);
}

static void run_row(char *line)
{
	char *args[ARGS_MAX + 1];
	int n = 0, status = -1;
	char path[128];
	pid_t pid;

	for (char *word = strtok(line, " \n"); word && n < ARGS_MAX; word = strtok(NULL, " \n"))
		args[n++] = word;
	args[n] = NULL;
	if (!n)
		return;
	snprintf(path, sizeof(path), "/bench/%s", args[0]);
	pid = fork();
	if (pid == 0) {
		execv(path, args);
		printf("failed %s: exec: %s\n", args[0], strerror(errno));
		fflush(stdout);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		printf("failed %s: status %x\n", args[0], (unsigned)status);
}

int main(void)
{
	uint64_t start = now_ns();
	char line[256];
	FILE *plan;

	mkdir("/proc", 0755);
	mkdir("/dev", 0755);
	mkdir("/mnt", 0755);
	if (access("/dev/vda", F_OK) < 0)
		mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	if (!isatty(1)) {
		int fd = open("/dev/console", O_RDWR);

		dup2(fd, 0), dup2(fd, 1), dup2(fd, 2);
	}
	printf("row boot boot %llu 1 0\n", (unsigned long long)start * 1000);
	load_modules();
	for (int i = 0; i < 200 && access("/dev/vda", F_OK) < 0; i++)
		usleep(10000);
	if (mount("/dev/vda", "/mnt", "ext2", 0, NULL) < 0 || chdir("/mnt") < 0 ||
		chroot(".") < 0) {
		printf("failed mount of the disk: %s\n", strerror(errno));
		reboot(RB_POWER_OFF);
	}
	mount("proc", "/proc", "proc", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	print_memory();
	fflush(stdout);
	plan = fopen("/bench/plan", "r");
	while (plan && fgets(line, sizeof(line), plan))
		run_row(line);
	if (access("/proc/vmstat", R_OK) == 0 && access("/bench/show-vmstat", F_OK) == 0) {
		FILE *f = fopen("/proc/vmstat", "r");

		while (f && fgets(line, sizeof(line), f))
			printf("vmstat %s", line);
	}
	printf("bench done\n");
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	return 1;
}
