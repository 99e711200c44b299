/*
 * The example of docs/vm.md: what fork and the writes after it cost, told by the counters of
 * /proc/vmstat. Copy it to userland/, `make run`, and type forksteps.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static long before[64], now[64];

static void show(const char *step)
{
	FILE *f = fopen("/proc/vmstat", "r");
	char name[32];

	printf("%-24s", step);
	for (int i = 0; i < 64 && fscanf(f, "%31s %ld", name, &now[i]) == 2; i++) {
		int ours = !strcmp(name, "pgfault") || !strncmp(name, "fault_", 6) ||
			   !strcmp(name, "push_down") || !strcmp(name, "restore") ||
			   !strcmp(name, "amap_node_copy");

		if (ours && now[i] != before[i])
			printf(" %s %ld", name, now[i] - before[i]);
		before[i] = now[i];
	}
	printf("\n");
	fclose(f);
}

int main(void)
{
	size_t page = 4096, size = 64 << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int go[2];
	pid_t pid;

	pipe(go);
	show("start");
	show("(noise)");
	for (size_t i = 0; i < size; i += page)
		p[i] = 1;
	show("first touch");
	pid = fork();
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	show("fork, child exits");
	for (size_t i = 0; i < size; i += page)
		p[i] = 2;
	show("write all");
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		read(go[0], p, 1);
		_exit(0);
	}
	show("fork, child waits");
	p[0 * page] = 3, show("page 0");
	p[1 * page] = 3, show("page 1");
	p[32 * page] = 3, show("page 32");
	p[512 * page] = 3, show("page 512");
	close(go[1]);
	waitpid(pid, NULL, 0);
	show("child exits");
	p[2 * page] = 4, show("page 2");
	p[3 * page] = 4, show("page 3");
	p[1024 * page] = 4, show("page 1024");
	for (size_t i = 0; i < size; i += page)
		p[i] = 5;
	show("write all");
	return 0;
}
