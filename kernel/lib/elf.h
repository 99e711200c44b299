/*
 * ELF-64 files: what a program loader needs, and the check that believes nothing. Pure: works on
 * bytes that the caller has read. Source: System V ABI, chapters 4 and 5; AMD64 supplement.
 */
#ifndef LIB_ELF_H
#define LIB_ELF_H

#include "lib/base.h"

struct elf64_ehdr {
	uint8_t e_ident[16];
	uint16_t e_type, e_machine;
	uint32_t e_version;
	uint64_t e_entry, e_phoff, e_shoff;
	uint32_t e_flags;
	uint16_t e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx;
};
_Static_assert(sizeof(struct elf64_ehdr) == 64, "Elf64_Ehdr");

struct elf64_phdr {
	uint32_t p_type, p_flags;
	uint64_t p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
};
_Static_assert(sizeof(struct elf64_phdr) == 56, "Elf64_Phdr");

#define ELF_ET_EXEC	 2
#define ELF_ET_DYN	 3
#define ELF_EM_X86_64	 62
#define ELF_PT_LOAD	 1
#define ELF_PT_INTERP	 3
#define ELF_PT_GNU_STACK 0x6474e551u
#define ELF_PF_X	 1u
#define ELF_PF_W	 2u
#define ELF_PF_R	 4u

#define ELF_PHDRS_MAX	 128
#define ELF_SEGMENTS_MAX 32
#define ELF_INTERP_MAX	 4096

/*
 * A part of memory, in pages: what a PT_LOAD asks for. Addresses as in the file (ET_DYN: from 0).
 */
struct elf_segment {
	uint64_t vaddr;	   /* page aligned */
	uint64_t len;	   /* bytes of memory from vaddr on, > 0 */
	uint64_t offset;   /* page aligned */
	uint64_t file_len; /* bytes from offset that come from the file; 0: none */
	uint32_t flags;	   /* ELF_PF_* */
};

struct elf_image {
	bool relocatable; /* ET_DYN: may be placed anywhere */
	uint64_t entry;
	uint64_t phoff;
	unsigned phnum;
	uint64_t phdr_vaddr; /* where the program headers are in memory; 0: nowhere */
	uint64_t low, high;  /* all segments lie in [low, high), page aligned */
	uint64_t align;	     /* of the load address, a power of two >= 4096 */
	uint64_t interp_off; /* PT_INTERP: path with its NUL */
	uint64_t interp_len; /* 0: none */
	bool exec_stack;     /* PT_GNU_STACK asks for X */
	unsigned nsegments;
	struct elf_segment segments[ELF_SEGMENTS_MAX];
};

/*
 * Check the file header in the first `len` bytes; *out gets entry, phoff and phnum. file_size is
 * the whole file's. 0 or -ENOEXEC.
 */
int __must_check elf_check_header(
	const void *bytes, size_t len, uint64_t file_size, struct elf_image *out);
/*
 * Check out->phnum program headers and fill the rest of *out. limit: end of user addresses. 0 or
 * -ENOEXEC.
 */
int __must_check elf_check_segments(
	const struct elf64_phdr *ph, uint64_t file_size, uint64_t limit, struct elf_image *out);

#endif
