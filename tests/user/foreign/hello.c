/*
 * A program that is not built on Quire's library: the host's compiler links it statically with
 * glibc and with musl. It says what it is in TAP, so that the runner takes it like any other test.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int number;

static void result(int good, const char *name)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", ++number, name);
	fflush(stdout);
}

static __thread int of_thread = 5;

static void *thread(void *arg)
{
	of_thread += *(int *)arg;
	return (void *)(long)of_thread;
}

static int check_files(void)
{
	char name[] = "/tmp/hello.XXXXXX", text[16] = "";
	int fd = mkstemp(name), good;
	struct stat st;

	good = fd >= 0 && write(fd, "hello", 5) == 5 && fstat(fd, &st) == 0 && st.st_size == 5;
	good = good && pread(fd, text, 15, 0) == 5 && !strcmp(text, "hello");
	close(fd);
	return unlink(name) == 0 && good;
}

int main(int argc, char **argv)
{
	int add = 37, status = 0;
	void *got = NULL;
	pthread_t t;
	char *heap;

	printf("1..6\n");
	result(argc >= 1 && argv[0][0] && getenv("PATH"), "argv_and_environment");
	heap = malloc(3 << 20);
	memset(heap, 1, 3 << 20);
	result(heap[(3 << 20) - 1] == 1, "malloc");
	free(heap);
	result(pthread_create(&t, NULL, thread, &add) == 0 && pthread_join(t, &got) == 0 &&
			got == (void *)42L && of_thread == 5,
		"thread_with_thread_local_storage");
	if (fork() == 0)
		exit(42);
	wait(&status);
	result(WIFEXITED(status) && WEXITSTATUS(status) == 42, "fork_and_wait");
	result(check_files(), "files");
	result(time(NULL) > 1000000000, "time");
	return 0;
}
