/* Futexes and threads that share memory. */
#include "tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define WAIT	    0
#define WAKE	    1
#define REQUEUE	    3
#define CMP_REQUEUE 4
#define WAIT_BITSET 9
#define WAKE_BITSET 10
#define PRIVATE	    128

static long futex(void *word, int op, int value, const void *arg, void *word2, int value3)
{
	return syscall(SYS_futex, word, op, value, arg, word2, value3);
}

static const struct timespec shortly = {0, 20000000};

TEST(wait_on_another_value_is_eagain)
{
	int word = 5;

	CHECK_ERR(futex(&word, WAIT, 4, NULL, NULL, 0), EAGAIN);
	CHECK_ERR(futex(&word, WAIT | PRIVATE, 6, NULL, NULL, 0), EAGAIN);
}

TEST(wait_times_out)
{
	long start = tap_ms();
	int word = 0;

	CHECK_ERR(futex(&word, WAIT | PRIVATE, 0, &shortly, NULL, 0), ETIMEDOUT);
	CHECK(tap_ms() - start >= 19);
}

TEST(futex_checks_its_arguments)
{
	const struct timespec bad = {0, 2000000000};
	int words[2] = {0, 0};

	CHECK_ERR(futex((char *)words + 1, WAIT, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex(words, WAIT, 0, &bad, NULL, 0), EINVAL);
	CHECK_ERR(futex((void *)16, WAIT, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex(words, 77, 0, NULL, NULL, 0), ENOSYS);
	CHECK_ERR(futex(words, WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
}

TEST(wake_without_waiters_wakes_none)
{
	int word = 0;

	CHECK_EQ(futex(&word, WAKE, 10, NULL, NULL, 0), 0);
	CHECK_EQ(futex(&word, WAKE | PRIVATE, 10, NULL, NULL, 0), 0);
}

static struct {
	int word, other, started, woken;
} t;

static void *waiter(void *arg)
{
	__atomic_add_fetch(&t.started, 1, __ATOMIC_SEQ_CST);
	while (futex(&t.word, WAIT | PRIVATE, 0, NULL, NULL, 0) != 0)
		if (errno != EINTR)
			return NULL;
	__atomic_add_fetch(&t.woken, 1, __ATOMIC_SEQ_CST);
	return arg;
}

/* => when all waiters sleep: a requeue of all to the same word counts them without waking any. */
static void start_waiters(pthread_t *threads, int count)
{
	memset(&t, 0, sizeof(t));
	for (int i = 0; i < count; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, waiter, NULL), 0);
	while (futex(&t.word, CMP_REQUEUE | PRIVATE, 0, (void *)1000L, &t.other, 0) >= 0 &&
		futex(&t.other, CMP_REQUEUE | PRIVATE, 0, (void *)1000L, &t.word, 0) < count)
		usleep(1000);
}

static void wait_for(const int *counter, int value)
{
	while (__atomic_load_n(counter, __ATOMIC_SEQ_CST) < value)
		usleep(1000);
}

TEST(wake_wakes_as_many_as_asked)
{
	pthread_t threads[5];

	start_waiters(threads, 5);
	CHECK_EQ(futex(&t.word, WAKE | PRIVATE, 2, NULL, NULL, 0), 2);
	wait_for(&t.woken, 2);
	CHECK_EQ(futex(&t.word, WAKE | PRIVATE, 100, NULL, NULL, 0), 3);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	CHECK_EQ(t.woken, 5);
}

TEST(requeue_moves_waiters)
{
	pthread_t threads[4];

	start_waiters(threads, 4);
	CHECK_ERR(futex(&t.word, CMP_REQUEUE | PRIVATE, 1, (void *)10L, &t.other, 99), EAGAIN);
	CHECK_EQ(futex(&t.word, CMP_REQUEUE | PRIVATE, 1, (void *)10L, &t.other, 0), 4);
	wait_for(&t.woken, 1);
	CHECK_EQ(futex(&t.word, WAKE | PRIVATE, 10, NULL, NULL, 0), 0);
	CHECK_EQ(futex(&t.other, WAKE | PRIVATE, 10, NULL, NULL, 0), 3);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

static void handler(int sig)
{
	(void)sig;
}

TEST(a_signal_ends_the_wait_with_eintr)
{
	struct sigaction act = {.sa_handler = handler};
	int word = 0;

	sigaction(SIGUSR1, &act, NULL);
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		for (;;) {
			usleep(10000);
			kill(parent, SIGUSR1);
		}
	}
	CHECK_ERR(futex(&word, WAIT | PRIVATE, 0, NULL, NULL, 0), EINTR);
	kill(pid, SIGKILL);
}

TEST(shared_futex_between_processes)
{
	int *words = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	    status;
	pid_t pid = fork();

	if (pid == 0) {
		while (__atomic_load_n(&words[0], __ATOMIC_SEQ_CST) == 0)
			futex(&words[0], WAIT, 0, NULL, NULL, 0);
		_exit(words[0]);
	}
	usleep(5000);
	__atomic_store_n(&words[0], 9, __ATOMIC_SEQ_CST);
	futex(&words[0], WAKE, 1, NULL, NULL, 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 9);
}

TEST(shared_futex_in_a_file_at_two_addresses)
{
	int fd = tap_file("file", PAGE), status;
	int *a = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int *b = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pid_t pid;

	CHECK(a != MAP_FAILED && b != MAP_FAILED && a != b);
	*a = 0;
	pid = fork();
	if (pid == 0) {
		while (__atomic_load_n(a, __ATOMIC_SEQ_CST) == 0)
			futex(a, WAIT, 0, NULL, NULL, 0);
		_exit(0);
	}
	usleep(5000);
	__atomic_store_n(b, 1, __ATOMIC_SEQ_CST);
	futex(b, WAKE, 1, NULL, NULL, 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void *add_many(void *arg)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		++*(volatile long *)arg;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

TEST(a_mutex_excludes)
{
	pthread_t threads[4];
	long counter = 0;

	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, add_many, &counter), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	CHECK_EQ(counter, 80000);
}

static __thread int of_thread = 3;

static void *own_tls(void *arg)
{
	CHECK_EQ(of_thread, 3);
	of_thread = (int)(long)arg;
	errno = (int)(long)arg;
	usleep(1000);
	CHECK_EQ(errno, (long)arg);
	return (void *)(long)of_thread;
}

TEST(threads_have_their_own_tls_and_errno)
{
	pthread_t threads[8];
	void *got;

	for (long i = 0; i < 8; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, own_tls, (void *)i), 0);
	for (long i = 0; i < 8; i++)
		CHECK(pthread_join(threads[i], &got) == 0 && got == (void *)i);
	CHECK_EQ(of_thread, 3);
}

static unsigned char *shared_pages;
static pthread_barrier_t barrier;

static void *fault_all(void *arg)
{
	long id = (long)arg;

	for (size_t page = 0; page < 64; page++) {
		pthread_barrier_wait(&barrier);
		shared_pages[page * PAGE + (size_t)id] = (unsigned char)(id + 1);
	}
	return NULL;
}

static void check_racing_faults(unsigned char *pages)
{
	pthread_t threads[4];

	shared_pages = pages;
	pthread_barrier_init(&barrier, NULL, 4);
	for (long i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, fault_all, (void *)i), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	for (size_t page = 0; page < 64; page++)
		for (size_t i = 0; i < 4; i++)
			CHECK_EQ(pages[page * PAGE + i], i + 1);
}

TEST(threads_fault_the_same_zero_page)
{
	check_racing_faults(
		mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

TEST(threads_fault_the_same_file_page)
{
	int fd = tap_file("file", 64 * PAGE);

	check_racing_faults(mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	check_racing_faults(mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
}

static void *write_for_ever(void *arg)
{
	volatile int *words = arg;

	while (!words[1])
		words[0]++;
	return NULL;
}

TEST(fork_while_another_thread_writes)
{
	int *words = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, write_for_ever, words), 0);
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();
		int status;

		CHECK(pid >= 0);
		if (pid == 0) {
			/* A snapshot: nobody writes it here. */
			int seen = *(volatile int *)words;

			for (int j = 0; j < 1000; j++)
				if (*(volatile int *)words != seen)
					_exit(1);
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, 0);
	}
	words[1] = 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void *touch_slot(void *arg)
{
	unsigned char *slot = arg;

	for (int i = 0; i < 300; i++) {
		unsigned char *p = mmap(
			NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(p != MAP_FAILED);
		for (size_t j = 0; j < 8; j++) {
			CHECK_EQ(p[j * PAGE], 0);
			p[j * PAGE] = *slot;
		}
		for (size_t j = 0; j < 8; j++)
			CHECK_EQ(p[j * PAGE], *slot);
		CHECK_EQ(munmap(p, 8 * PAGE), 0);
	}
	return NULL;
}

TEST(no_frame_is_reused_before_its_translation_is_gone)
{
	static unsigned char slots[4] = {1, 2, 3, 4};
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, touch_slot, &slots[i]), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

static int exit_group_with_threads(void *arg)
{
	pthread_t thread;
	int words[2] = {0, 0};

	(void)arg;
	pthread_create(&thread, NULL, write_for_ever, words);
	pthread_create(&thread, NULL, waiter, NULL);
	return 3;
}

TEST(exit_ends_all_threads)
{
	memset(&t, 0, sizeof(t));
	CHECK_EQ(tap_child(exit_group_with_threads, NULL), 3 << 8);
}

/* CVE-2018-6927, CVE-2014-3153: counts below 0, and a queue moved onto itself. */
TEST(requeue_refuses_counts_below_0_and_bears_its_own_word)
{
	pthread_t threads[3];

	memset(&t, 0, sizeof(t));
	CHECK_ERR(futex(&t.word, CMP_REQUEUE | PRIVATE, -1, (void *)1L, &t.other, 0), EINVAL);
	CHECK_ERR(futex(&t.word, CMP_REQUEUE | PRIVATE, 1, (void *)-1L, &t.other, 0), EINVAL);
	CHECK_ERR(
		futex(&t.word, CMP_REQUEUE | PRIVATE, 0x80000000, (void *)0x7fffffffL, &t.other, 0),
		EINVAL);
	start_waiters(threads, 3);
	CHECK_EQ(futex(&t.word, CMP_REQUEUE | PRIVATE, 0, (void *)100L, &t.word, 0), 3);
	CHECK_EQ(futex(&t.word, WAKE | PRIVATE, 100, NULL, NULL, 0), 3);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

/* The key of private memory is its address: it stays while the page behind it is replaced. */
TEST(a_private_waiter_survives_the_copy_of_its_page)
{
	pthread_t thread;
	pid_t pid;
	int status;

	start_waiters(&thread, 1);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		/* Nobody waits here: the waiter is another process's. */
		t.other = 5;
		_exit((int)futex(&t.word, WAKE | PRIVATE, 100, NULL, NULL, 0));
	}
	t.other = 6;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	t.other = 7;
	CHECK_EQ(futex(&t.word, WAKE | PRIVATE, 100, NULL, NULL, 0), 1);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

/*
 * The key of shared memory is object and offset, also when a neighbour is private and was copied.
 */
TEST(a_shared_futex_beside_a_copied_page)
{
	int *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int *shared = p + PAGE / sizeof(int), status;
	pid_t pid;

	CHECK(mmap(shared, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1,
		      0) == shared);
	p[0] = p[2 * PAGE / sizeof(int)] = 1;
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		p[0] = 2;
		p[2 * PAGE / sizeof(int)] = 2;
		__atomic_store_n(&shared[1], 1, __ATOMIC_SEQ_CST);
		futex(&shared[1], WAKE, 1, NULL, NULL, 0);
		while (__atomic_load_n(&shared[0], __ATOMIC_SEQ_CST) == 0)
			futex(&shared[0], WAIT, 0, NULL, NULL, 0);
		_exit(shared[0] != 3);
	}
	while (__atomic_load_n(&shared[1], __ATOMIC_SEQ_CST) == 0)
		futex(&shared[1], WAIT, 0, NULL, NULL, 0);
	p[0] = 3;
	__atomic_store_n(&shared[0], 3, __ATOMIC_SEQ_CST);
	futex(&shared[0], WAKE, 1, NULL, NULL, 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

TEST(a_waiter_on_a_page_never_touched)
{
	int *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int *q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED && q != MAP_FAILED);
	CHECK_ERR(futex(p, WAIT | PRIVATE, 0, &shortly, NULL, 0), ETIMEDOUT);
	CHECK_ERR(futex(q, WAIT, 0, &shortly, NULL, 0), ETIMEDOUT);
	CHECK_ERR(futex(p + 8, WAIT | PRIVATE, 1, &shortly, NULL, 0), EAGAIN);
}
