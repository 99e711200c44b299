/*
 * ELF segments as areas. A segment that is longer in memory is an image: pages of the file up to
 * its length and zeros behind it, so that the zeros of bss never touch the page cache. The others
 * are the file's own pages, the last one whole: no program has text of its own. Nothing is read
 * before it is used.
 */
#include "proc/elf.h"

#include "fs/file.h"
#include "mm/mmap.h"
#include "mm/slab.h"

int elf_read(struct file *f, const void *head, size_t len, struct elf_image *out)
{
	uint64_t size = f->inode->object ? READ_ONCE(f->inode->object->vo_size) : 0;
	struct elf64_phdr *ph;
	size_t bytes;
	ssize_t n;
	int err = elf_check_header(head, len, size, out);

	if (err)
		return err;
	bytes = out->phnum * sizeof(*ph);
	/* Nearly always the table follows the header and is here already. */
	if (out->phoff <= len && bytes <= len - out->phoff && IS_ALIGNED(out->phoff, 8))
		return elf_check_segments(
			(const void *)((const char *)head + out->phoff), size, USER_MAX, out);
	ph = kmalloc(bytes, 0);
	if (!ph)
		return -ENOMEM;
	n = file_read_kernel(f, ph, bytes, out->phoff);
	if (n < 0)
		err = (int)n;
	else if ((size_t)n != bytes)
		err = -ENOEXEC;
	else
		err = elf_check_segments(ph, size, USER_MAX, out);
	kfree(ph);
	return err;
}

static vm_flags_t elf_rights(uint32_t flags)
{
	vm_flags_t rights = 0;

	if (flags & ELF_PF_R)
		rights |= VM_READ;
	if (flags & ELF_PF_W)
		rights |= VM_WRITE;
	if (flags & ELF_PF_X)
		rights |= VM_EXEC;
	return rights;
}

int elf_map(struct mm_context *ctx, struct file *f, const struct elf_image *img, uint64_t bias)
{
	for (unsigned i = 0; i < img->nsegments; i++) {
		const struct elf_segment *seg = &img->segments[i];
		struct mm_map_request rq = {
			.vaddr = seg->vaddr + bias,
			.len = seg->len,
			.vmflags = VM_USER | elf_rights(seg->flags),
			.map_flags = i ? MM_MAP_FIXED : MM_MAP_EXACT,
			.content = VMAP_IMAGE,
		};
		vaddr_t got;
		int err;

		if (seg->file_len) {
			rq.kind = seg->file_len < seg->len ? MM_AREA_IMAGE : MM_AREA_FILE;
			rq.object = f->inode->object;
			rq.offset = seg->offset;
			rq.file_len = seg->file_len;
			rq.file = f;
		} else {
			rq.kind = MM_AREA_NORMAL;
		}
		err = mm_map(ctx, &rq, &got);
		if (err)
			return err;
	}
	return 0;
}

int elf_place(struct mm_context *ctx, const struct elf_image *img, uint64_t *bias)
{
	uint64_t span = img->high - img->low;
	vaddr_t at;
	int err = mm_reserve(ctx, 0, span + img->align - PAGE_SIZE, 0, &at);

	if (err)
		return err;
	/* Only a place was looked for: nobody else knows this address space yet. */
	err = munmap(ctx, at, span + img->align - PAGE_SIZE);
	*bias = ALIGN_UP(at, img->align) - ALIGN_DOWN(img->low, img->align);
	return err;
}
