/*
 * The ELF checker: good files, each lie by name, and random lies: whatever the bytes are, what is
 * accepted can be mapped without another look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/elf.h"

#define LIMIT	  0x00007ffffffff000ull
#define FILE_SIZE 0x5000ull
#define NPH	  4

struct elf_file {
	struct elf64_ehdr eh;
	struct elf64_phdr ph[NPH];
};

/* A static program: text, data with bss, stack, interpreter. */
static struct elf_file good(void)
{
	struct elf_file f = {
		.eh = {.e_ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
			.e_type = ELF_ET_EXEC,
			.e_machine = ELF_EM_X86_64,
			.e_version = 1,
			.e_entry = 0x401000,
			.e_phoff = sizeof(struct elf64_ehdr),
			.e_ehsize = sizeof(struct elf64_ehdr),
			.e_phentsize = sizeof(struct elf64_phdr),
			.e_phnum = NPH},
		.ph = {{.p_type = ELF_PT_LOAD,
			       .p_flags = ELF_PF_R | ELF_PF_X,
			       .p_offset = 0,
			       .p_vaddr = 0x400000,
			       .p_filesz = 0x2100,
			       .p_memsz = 0x2100,
			       .p_align = 0x1000},
			{.p_type = ELF_PT_LOAD,
				.p_flags = ELF_PF_R | ELF_PF_W,
				.p_offset = 0x3e10,
				.p_vaddr = 0x404e10,
				.p_filesz = 0x300,
				.p_memsz = 0x9000,
				.p_align = 0x1000},
			{.p_type = ELF_PT_GNU_STACK, .p_flags = ELF_PF_R | ELF_PF_W},
			{.p_type = ELF_PT_INTERP, .p_offset = 0x200, .p_filesz = 20}},
	};

	return f;
}

static int check(const struct elf_file *f, struct elf_image *img)
{
	int err = elf_check_header(f, sizeof(*f), FILE_SIZE, img);

	if (err)
		return err;
	if (img->phnum > NPH || img->phoff != sizeof(f->eh))
		return 1; /* a table that this test did not make */
	return elf_check_segments(f->ph, FILE_SIZE, LIMIT, img);
}

static void a_good_file_is_taken_apart(void **state)
{
	struct elf_file f = good();
	struct elf_image img;

	(void)state;
	assert_int_equal(check(&f, &img), 0);
	assert_false(img.relocatable);
	assert_int_equal(img.nsegments, 2);
	assert_int_equal(img.segments[1].vaddr, 0x404000);
	assert_int_equal(img.segments[1].offset, 0x3000);
	assert_int_equal(img.segments[1].file_len, 0x300 + 0xe10);
	assert_int_equal(img.segments[1].len, 0x9000 + 0xe10);
	assert_int_equal(img.phdr_vaddr, 0x400000 + sizeof(f.eh));
	assert_int_equal(img.low, 0x400000);
	assert_int_equal(img.high, 0x40e000);
	assert_int_equal(img.interp_len, 20);
	assert_false(img.exec_stack);
}

static void bss_alone_needs_no_file(void **state)
{
	struct elf_file f = good();
	struct elf_image img;

	(void)state;
	f.ph[1].p_filesz = 0;
	f.ph[1].p_offset = 0x123456789;
	assert_int_equal(check(&f, &img), 0);
	assert_int_equal(img.segments[1].file_len, 0);
}

#define LIE(name, change)                                    \
	static void lie_##name(void **state)                 \
	{                                                    \
		struct elf_file f = good();                  \
		struct elf_image img;                        \
                                                             \
		(void)state;                                 \
		assert_int_equal(check(&f, &img), 0);        \
		change;                                      \
		assert_int_equal(check(&f, &img), -ENOEXEC); \
	}

LIE(magic, f.eh.e_ident[1] = 'e')
LIE(class, f.eh.e_ident[4] = 1)
LIE(byte_order, f.eh.e_ident[5] = 2)
LIE(machine, f.eh.e_machine = 3)
LIE(type, f.eh.e_type = 1)
LIE(no_headers, f.eh.e_phnum = 0)
LIE(too_many_headers, f.eh.e_phnum = 0xffff)
LIE(header_size, f.eh.e_phentsize = 55)
LIE(table_outside, f.eh.e_phoff = FILE_SIZE - 10)
LIE(table_wraps, f.eh.e_phoff = UINT64_MAX - 8)
LIE(file_larger_than_memory, f.ph[0].p_filesz = f.ph[0].p_memsz + 1)
LIE(data_outside, f.ph[1].p_offset = 0x4e10)
LIE(offset_wraps, f.ph[1].p_offset = UINT64_MAX - 0x1ef)
LIE(not_congruent, f.ph[1].p_offset -= 8)
LIE(kernel_address, f.ph[1].p_vaddr = 0xffffffff80000e10ull)
LIE(end_past_limit, f.ph[1].p_memsz = LIMIT)
LIE(memory_wraps, f.ph[1].p_memsz = UINT64_MAX)
LIE(out_of_order, f.ph[1].p_vaddr = 0x3fe10)
LIE(overlap, f.ph[1].p_vaddr = 0x401e10)
LIE(two_pages_in_one, f.ph[1].p_vaddr = 0x402e10)
LIE(entry_in_the_kernel, f.eh.e_entry = 0xffffffff80000000ull)
LIE(nothing_to_load, f.ph[0].p_type = f.ph[1].p_type = 0)
LIE(interp_outside, f.ph[3].p_offset = FILE_SIZE)
LIE(interp_empty, f.ph[3].p_filesz = 1)
LIE(interp_huge, f.ph[3].p_filesz = 5000)
LIE(two_interps, f.ph[2] = f.ph[3])

static void short_files_are_no_programs(void **state)
{
	struct elf_file f = good();
	struct elf_image img;

	(void)state;
	for (size_t len = 0; len < sizeof(f.eh); len++)
		assert_int_equal(elf_check_header(&f, len, len, &img), -ENOEXEC);
}

static uint64_t rnd_state;

static uint64_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state;
}

/* What the loader relies on. */
static void assert_mappable(const struct elf_image *img)
{
	uint64_t end = 0;

	assert_true(img->nsegments >= 1 && img->nsegments <= ELF_SEGMENTS_MAX);
	assert_true(img->low <= img->high && img->high <= LIMIT && img->entry < LIMIT);
	assert_true(img->align >= 4096 && !(img->align & (img->align - 1)));
	for (unsigned i = 0; i < img->nsegments; i++) {
		const struct elf_segment *s = &img->segments[i];

		assert_true(s->len > 0 && s->vaddr % 4096 == 0 && s->offset % 4096 == 0);
		assert_true(s->vaddr + s->len > s->vaddr && s->vaddr + s->len <= img->high);
		assert_true(s->file_len <= s->len);
		assert_true(!s->file_len || s->offset + s->file_len <= FILE_SIZE);
		assert_true(s->vaddr + 4096 > end);
		end = s->vaddr + s->len;
	}
	assert_true(img->interp_len <= ELF_INTERP_MAX &&
		    img->interp_off + img->interp_len <= FILE_SIZE);
}

static void random_lies_are_refused_or_harmless(void **state)
{
	static const uint64_t edges[] = {0, 1, 0xfff, 0x1000, 0x7fffffff, 0xffffffff, INT64_MAX,
		INT64_MAX + 1ull, UINT64_MAX - 4095, UINT64_MAX, LIMIT - 1, LIMIT, LIMIT + 1};
	unsigned accepted = 0;

	(void)state;
	rnd_state = 0x1234567;
	for (int round = 0; round < 300000; round++) {
		struct elf_file f = good();
		struct elf_image img;
		unsigned changes = 1 + rnd() % 4;

		while (changes--) {
			uint64_t *word = (uint64_t *)&f + rnd() % (sizeof(f) / 8);

			switch (rnd() % 4) {
			case 0:
				*word = edges[rnd() % (sizeof(edges) / sizeof(edges[0]))];
				break;
			case 1:
				*word ^= 1ull << (rnd() % 64);
				break;
			case 2:
				*word += (rnd() % 0x4000) - 0x2000;
				break;
			default:
				((uint8_t *)word)[rnd() % 8] = (uint8_t)rnd();
			}
		}
		if (check(&f, &img))
			continue;
		assert_mappable(&img);
		accepted++;
	}
	/* The fuzz is no test of refusing everything. */
	assert_true(accepted > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_file_is_taken_apart),
		cmocka_unit_test(bss_alone_needs_no_file),
		cmocka_unit_test(lie_magic),
		cmocka_unit_test(lie_class),
		cmocka_unit_test(lie_byte_order),
		cmocka_unit_test(lie_machine),
		cmocka_unit_test(lie_type),
		cmocka_unit_test(lie_no_headers),
		cmocka_unit_test(lie_too_many_headers),
		cmocka_unit_test(lie_header_size),
		cmocka_unit_test(lie_table_outside),
		cmocka_unit_test(lie_table_wraps),
		cmocka_unit_test(lie_file_larger_than_memory),
		cmocka_unit_test(lie_data_outside),
		cmocka_unit_test(lie_offset_wraps),
		cmocka_unit_test(lie_not_congruent),
		cmocka_unit_test(lie_kernel_address),
		cmocka_unit_test(lie_end_past_limit),
		cmocka_unit_test(lie_memory_wraps),
		cmocka_unit_test(lie_out_of_order),
		cmocka_unit_test(lie_overlap),
		cmocka_unit_test(lie_two_pages_in_one),
		cmocka_unit_test(lie_entry_in_the_kernel),
		cmocka_unit_test(lie_nothing_to_load),
		cmocka_unit_test(lie_interp_outside),
		cmocka_unit_test(lie_interp_empty),
		cmocka_unit_test(lie_interp_huge),
		cmocka_unit_test(lie_two_interps),
		cmocka_unit_test(short_files_are_no_programs),
		cmocka_unit_test(random_lies_are_refused_or_harmless),
	};

	return cmocka_run_group_tests_name("elf", tests, NULL, NULL);
}
