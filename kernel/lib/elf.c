/*
 * The check of ELF files. Whatever the bytes say, afterwards: segments are in the file and below
 * the limit, in order, page-congruent, and no sum of theirs wraps. The caller maps without looking
 * again.
 */
#include "lib/elf.h"

#include "lib/string.h"

#define ELF_PAGE 4096ull

static bool elf_sum_exceeds(uint64_t a, uint64_t b, uint64_t limit)
{
	return a > limit || b > limit - a;
}

int elf_check_header(const void *bytes, size_t len, uint64_t file_size, struct elf_image *out)
{
	static const uint8_t ident[7] = {
		0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little endian */, 1 /* version */};
	struct elf64_ehdr eh;
	uint64_t table;

	memset(out, 0, sizeof(*out));
	if (len < sizeof(eh))
		return -ENOEXEC;
	memcpy(&eh, bytes, sizeof(eh));
	if (memcmp(eh.e_ident, ident, sizeof(ident)) != 0 || eh.e_machine != ELF_EM_X86_64)
		return -ENOEXEC;
	if (eh.e_type != ELF_ET_EXEC && eh.e_type != ELF_ET_DYN)
		return -ENOEXEC;
	if (eh.e_phentsize != sizeof(struct elf64_phdr))
		return -ENOEXEC;
	if (eh.e_phnum == 0 || eh.e_phnum > ELF_PHDRS_MAX)
		return -ENOEXEC;
	table = (uint64_t)eh.e_phnum * sizeof(struct elf64_phdr);
	if (elf_sum_exceeds(eh.e_phoff, table, file_size))
		return -ENOEXEC;
	out->relocatable = eh.e_type == ELF_ET_DYN;
	out->entry = eh.e_entry;
	out->phoff = eh.e_phoff;
	out->phnum = eh.e_phnum;
	return 0;
}

/* One PT_LOAD. */
static int elf_add_segment(
	const struct elf64_phdr *ph, uint64_t file_size, uint64_t limit, struct elf_image *out)
{
	const struct elf_segment *prev = out->nsegments ? &out->segments[out->nsegments - 1] : NULL;
	struct elf_segment *seg = &out->segments[out->nsegments];
	uint64_t lead = ph->p_vaddr % ELF_PAGE;

	if (ph->p_memsz == 0)
		return 0;
	if (out->nsegments == ELF_SEGMENTS_MAX || ph->p_filesz > ph->p_memsz)
		return -ENOEXEC;
	if (elf_sum_exceeds(ph->p_vaddr, ph->p_memsz, limit))
		return -ENOEXEC;
	if (ph->p_filesz && (elf_sum_exceeds(ph->p_offset, ph->p_filesz, file_size) ||
				    ph->p_offset % ELF_PAGE != lead))
		return -ENOEXEC;
	seg->vaddr = ph->p_vaddr - lead;
	seg->len = ph->p_memsz + lead;
	seg->offset = ph->p_filesz ? ph->p_offset - lead : 0;
	seg->file_len = ph->p_filesz ? ph->p_filesz + lead : 0;
	seg->flags = ph->p_flags & (ELF_PF_R | ELF_PF_W | ELF_PF_X);
	/*
	 * In order. Two may meet in one page only if it is the same page of the file, since the
	 * later one replaces it; then the earlier has no zeros in it to lose.
	 */
	if (prev && ph->p_vaddr < prev->vaddr + prev->len)
		return -ENOEXEC;
	if (prev && seg->vaddr < ALIGN_UP(prev->vaddr + prev->len, ELF_PAGE) &&
		(prev->len != prev->file_len || !seg->file_len ||
			seg->offset != prev->offset + (seg->vaddr - prev->vaddr)))
		return -ENOEXEC;
	/* The table of program headers, for AT_PHDR: it must lie in one segment wholly. */
	if (out->phoff >= seg->offset && seg->file_len &&
		!elf_sum_exceeds(out->phoff - seg->offset, (uint64_t)out->phnum * sizeof(*ph),
			seg->file_len))
		out->phdr_vaddr = seg->vaddr + (out->phoff - seg->offset);
	if (ph->p_align > out->align && !(ph->p_align & (ph->p_align - 1)))
		out->align = ph->p_align;
	out->nsegments++;
	return 0;
}

int elf_check_segments(
	const struct elf64_phdr *ph, uint64_t file_size, uint64_t limit, struct elf_image *out)
{
	const struct elf_segment *last;

	out->align = ELF_PAGE;
	for (unsigned i = 0; i < out->phnum; i++) {
		int err = 0;

		switch (ph[i].p_type) {
		case ELF_PT_LOAD:
			err = elf_add_segment(&ph[i], file_size, limit, out);
			break;
		case ELF_PT_INTERP:
			if (out->interp_len || ph[i].p_filesz < 2 ||
				ph[i].p_filesz > ELF_INTERP_MAX ||
				elf_sum_exceeds(ph[i].p_offset, ph[i].p_filesz, file_size))
				return -ENOEXEC;
			out->interp_off = ph[i].p_offset;
			out->interp_len = ph[i].p_filesz;
			break;
		case ELF_PT_GNU_STACK:
			out->exec_stack = ph[i].p_flags & ELF_PF_X;
			break;
		}
		if (err)
			return err;
	}
	if (!out->nsegments || out->entry >= limit)
		return -ENOEXEC;
	last = &out->segments[out->nsegments - 1];
	out->low = out->segments[0].vaddr;
	out->high = ALIGN_UP(last->vaddr + last->len, ELF_PAGE);
	if (out->high > limit || out->align > limit / 4)
		return -ENOEXEC;
	return 0;
}
