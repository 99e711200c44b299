/* mseal(2): what is sealed stays mapped where it is, with the rights that it has. */
#include "tap.h"
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static int seal(void *p, size_t len)
{
	int err = mseal(p, len, 0);

	if (err < 0 && errno == ENOSYS)
		tap_skip("this Linux has no mseal");
	return err;
}

static unsigned char *map(size_t pages, int prot)
{
	unsigned char *p = mmap(NULL, pages * PAGE, prot, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static unsigned char *sealed(size_t pages, int prot)
{
	unsigned char *p = map(pages, prot);

	CHECK_EQ(seal(p, pages * PAGE), 0);
	return p;
}

TEST(mseal_checks_its_arguments)
{
	unsigned char *p = map(4, RW);

	CHECK_EQ(seal(p, 0), 0);
	CHECK_ERR(mseal(p, PAGE, 1), EINVAL);
	CHECK_ERR(mseal(p + 1, PAGE, 0), EINVAL);
	CHECK_ERR(mseal(p, (size_t)-1, 0), EINVAL);
	CHECK_ERR(mseal(p, (size_t)-PAGE, 0), EINVAL);
	CHECK_EQ(munmap(p + 2 * PAGE, PAGE), 0);
	CHECK_ERR(mseal(p, 4 * PAGE, 0), ENOMEM);
	CHECK_ERR(mseal(p + 2 * PAGE, PAGE, 0), ENOMEM);
	/* Then nothing is sealed, also not what lies before the hole. */
	CHECK_EQ(mprotect(p, PAGE, PROT_READ), 0);
	CHECK_EQ(munmap(p, 4 * PAGE), 0);
	CHECK_ERR(mseal((void *)(1UL << 46), PAGE, 0), ENOMEM);
}

TEST(sealed_memory_is_used_as_before)
{
	unsigned char *p = sealed(4, RW);

	p[0] = 1;
	p[3 * PAGE] = 2;
	CHECK(p[0] == 1 && p[PAGE] == 0 && p[3 * PAGE] == 2);
	CHECK_EQ(seal(p, 4 * PAGE), 0);
	CHECK_EQ(mlock(p, PAGE), 0);
	CHECK_EQ(munlock(p, PAGE), 0);
	CHECK_EQ(madvise(p, PAGE, MADV_WILLNEED), 0);
}

TEST(sealed_memory_cannot_be_unmapped)
{
	unsigned char *p = map(5, RW);

	CHECK_EQ(seal(p + PAGE, 3 * PAGE), 0);
	p[2 * PAGE] = 7;
	CHECK_ERR(munmap(p + PAGE, 3 * PAGE), EPERM);
	CHECK_ERR(munmap(p + 2 * PAGE, PAGE), EPERM);
	CHECK_ERR(munmap(p, 2 * PAGE), EPERM);
	CHECK_ERR(mmap(p + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0), EPERM);
	CHECK_ERR(mmap(p, 5 * PAGE, RW, ANON | MAP_FIXED, -1, 0), EPERM);
	CHECK_EQ(p[2 * PAGE], 7);
	/* The neighbours are free. */
	CHECK_EQ(munmap(p + 4 * PAGE, PAGE), 0);
	CHECK_EQ(munmap(p, PAGE), 0);
	CHECK_EQ(tap_signal_of(tap_peek, p), SIGSEGV);
	CHECK_EQ(p[2 * PAGE], 7);
}

TEST(sealed_rights_cannot_be_changed)
{
	unsigned char *p = sealed(3, PROT_READ), *w = sealed(1, RW);

	CHECK_ERR(mprotect(p, 3 * PAGE, RW), EPERM);
	CHECK_ERR(mprotect(p + PAGE, PAGE, PROT_NONE), EPERM);
	CHECK_ERR(mprotect(w, PAGE, PROT_READ), EPERM);
	CHECK_EQ(tap_signal_of(tap_poke, p), SIGSEGV);
	CHECK_EQ(tap_signal_of(tap_poke, w), 0);
}

TEST(sealed_memory_cannot_be_moved_or_resized)
{
	unsigned char *p = sealed(2, RW), *q = map(4, RW), *room = map(4, PROT_NONE);

	CHECK_ERR(mremap(p, 2 * PAGE, PAGE, 0), EPERM);
	CHECK_ERR(mremap(p, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE), EPERM);
	CHECK_ERR(mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room), EPERM);
	/* Nor can anything be moved there. */
	CHECK_ERR(mremap(q, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p), EPERM);
	q[0] = 3;
	CHECK(mremap(q, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room) == room);
	CHECK_EQ(room[0], 3);
}

TEST(read_only_contents_cannot_be_discarded)
{
	unsigned char *p = map(2, RW), *w = sealed(1, RW);

	p[0] = 5;
	w[0] = 6;
	CHECK_EQ(mprotect(p, 2 * PAGE, PROT_READ), 0);
	CHECK_EQ(seal(p, 2 * PAGE), 0);
	CHECK_ERR(madvise(p, PAGE, MADV_DONTNEED), EPERM);
	CHECK_ERR(madvise(p, PAGE, MADV_FREE), EPERM);
	CHECK_ERR(madvise(p, PAGE, MADV_DONTFORK), EPERM);
	CHECK_ERR(madvise(p, PAGE, MADV_WIPEONFORK), EPERM);
	CHECK_EQ(p[0], 5);
	/* Who may write it may also zero it. */
	CHECK_EQ(madvise(w, PAGE, MADV_DONTNEED), 0);
	CHECK_EQ(w[0], 0);
}

static int try_in_child(void *arg)
{
	unsigned char *p = arg;

	return !(munmap(p, PAGE) < 0 && errno == EPERM && mprotect(p, PAGE, PROT_READ) < 0 &&
		 errno == EPERM);
}

TEST(a_child_inherits_the_seal)
{
	unsigned char *p = sealed(1, RW);

	CHECK_EQ(tap_child(try_in_child, p), 0);
	CHECK_EQ(p[0], 0);
}

TEST(shared_areas_are_sealed_too)
{
	int id = shmget(IPC_PRIVATE, 2 * PAGE, 0600);
	unsigned char *p = shmat(id, NULL, 0);

	CHECK(id >= 0 && p != (void *)-1);
	CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
	CHECK_EQ(seal(p, PAGE), 0);
	CHECK_ERR(munmap(p, 2 * PAGE), EPERM);
	CHECK_ERR(shmat(id, p, SHM_REMAP), EPERM);
	p[PAGE] = p[0] = 1;
}

TEST(a_sealed_heap_does_not_shrink)
{
	char *start = sbrk(0);

	CHECK(sbrk(4 * PAGE) == start);
	start = (char *)(((uintptr_t)start + PAGE - 1) & ~(PAGE - 1));
	CHECK_EQ(seal(start + PAGE, PAGE), 0);
	CHECK(sbrk(-3 * (long)PAGE) == (void *)-1);
	start[PAGE] = 1;
}

static int sealed_maps(unsigned char *p)
{
	char line[512];
	int in = 0, found = 0;
	FILE *f = fopen("/proc/self/smaps", "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			in = start <= (unsigned long)p && (unsigned long)p < end;
		if (in && !strncmp(line, "VmFlags:", 8))
			found = strstr(line, " sl") != NULL;
	}
	fclose(f);
	return found;
}

TEST(smaps_shows_the_seal)
{
	unsigned char *p = map(3, RW);

	CHECK_EQ(seal(p + PAGE, PAGE), 0);
	CHECK_EQ(sealed_maps(p), 0);
	CHECK_EQ(sealed_maps(p + PAGE), 1);
	CHECK_EQ(sealed_maps(p + 2 * PAGE), 0);
}
