/*
 * Thread-local storage of a static program: one area a thread,
 *
 *	| padding | .tdata copy, .tbss zero | struct __pthread |
 *	          ^ end - size, aligned      ^ %fs
 *
 * The first thread's area is in .bss if it fits, so that a small program makes no system call for
 * it.
 */
#include "tls.h"
#include "syscall.h"
#include "thread.h"
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#define ARCH_SET_FS 0x1002
#define SMALL_AREA  2048

struct tls_template {
	const void *image;
	size_t image_size; /* the rest is zero */
	size_t offset;	   /* from the start of the variables to the thread block */
	size_t align;	   /* of the thread block */
};

/* The ELF64 program header, as the kernel's AT_PHDR points to it. */
struct phdr {
	unsigned int type, flags;
	unsigned long offset, vaddr, paddr, filesz, memsz, align;
};

#define PHDR_TLS 7

static struct tls_template tls = {.align = 16};
static char first_area[SMALL_AREA] __attribute__((__aligned__(64)));

static size_t round_up(size_t n, size_t align)
{
	return (n + align - 1) & -align;
}

static void find_template(void)
{
	const struct phdr *ph = (const struct phdr *)getauxval(AT_PHDR);

	for (unsigned long i = getauxval(AT_PHNUM); i > 0; i--, ph++) {
		if (ph->type != PHDR_TLS)
			continue;
		tls.image = (const void *)ph->vaddr;
		tls.image_size = ph->filesz;
		/* The linker counts with the segment's own alignment, however small it is. */
		tls.offset = round_up(ph->memsz, ph->align ? ph->align : 1);
		if (ph->align > tls.align)
			tls.align = ph->align;
	}
}

/* => the bytes that __tls_install needs, whatever the alignment of their start. */
size_t __tls_area_size(void)
{
	return tls.align + tls.offset + sizeof(struct __pthread);
}

/* Lays the TLS variables and the thread block into a zeroed area. => the thread block, which %fs
 * shall point to. */
struct __pthread *__tls_install(void *area)
{
	struct __pthread *thread = (void *)round_up((size_t)area + tls.offset, tls.align);

	if (tls.image_size)
		memcpy((char *)thread - tls.offset, tls.image, tls.image_size);
	thread->self = thread;
	return thread;
}

void __tls_setup(void)
{
	const unsigned long *random = (const unsigned long *)getauxval(AT_RANDOM);
	struct __pthread *self;
	void *area = first_area;

	find_template();
	/* The first thread uses newlib's global reent, so its block ends before reent_store. */
	if (__tls_area_size() - sizeof(struct _reent) > sizeof(first_area)) {
		area = (void *)RAW(mmap, 0, __tls_area_size(), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if ((unsigned long)area > -4096UL)
			RAW(exit_group, 127);
	}
	self = __tls_install(area);
	self->reent = _GLOBAL_REENT;
	/*
	 * The lowest byte is zero, so that a string that runs over cannot carry the right canary.
	 */
	self->canary = random ? *random & ~0xffUL : 0;
	RAW(arch_prctl, ARCH_SET_FS, self);
	self->tid = (int)RAW(set_tid_address, &self->tid);
}
