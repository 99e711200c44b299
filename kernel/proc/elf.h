/* Loading an ELF program or its interpreter into an address space that is being made. */
#ifndef PROC_ELF_H
#define PROC_ELF_H

#include "lib/elf.h"
#include "mm/types.h"

struct file;
struct mm_context;

/*
 * Read and check the headers. head: the first `len` bytes. 0, -ENOEXEC, -EIO, -ENOMEM. May sleep.
 */
int __must_check elf_read(struct file *f, const void *head, size_t len, struct elf_image *out);
/*
 * Map the segments with `bias` added to every address; the ranges must be free. 0, -ENOMEM,
 * -EEXIST, -ENOEXEC. May sleep.
 */
int __must_check elf_map(
	struct mm_context *ctx, struct file *f, const struct elf_image *img, uint64_t bias);
/* A place for a relocatable image in the area of mmap: *bias. */
int __must_check elf_place(struct mm_context *ctx, const struct elf_image *img, uint64_t *bias);

#endif
