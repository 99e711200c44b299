/* fmt, str_copy, error names, bitmaps: one behaviour a test; numbers against the C library. */
/* Flags that contradict each other are part of what is tested. */
#pragma GCC diagnostic ignored "-Wformat"
#include "cmocka_host.h"
#include "lib/bitmap.h"
#include "lib/err.h"
#include "lib/fmt.h"
#include "lib/string.h"

/* The same text and the same length as the C library's. */
#define SAME_AS_LIBC(...)                                                           \
	do {                                                                        \
		char ours[256], theirs[256];                                        \
		int n = fmt_snprintf(ours, sizeof(ours), __VA_ARGS__);              \
		assert_int_equal(n, snprintf(theirs, sizeof(theirs), __VA_ARGS__)); \
		assert_string_equal(ours, theirs);                                  \
	} while (0)

static void numbers_look_as_in_c(void **state)
{
	static const long values[] = {0, 1, -1, 7, 8, 42, -42, 255, 65536, INT_MAX, INT_MIN};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		int v = (int)values[i];

		SAME_AS_LIBC("%d|%i|%u|%x|%X|%o", v, v, v, v, v, v);
		SAME_AS_LIBC("%5d|%-5d|%05d|%+d|% d", v, v, v, v, v);
		SAME_AS_LIBC("%#x|%#o|%#X|%8x|%-8x|%08x|%#010x", v, v, v, v, v, v, v);
		SAME_AS_LIBC("%.0d|%.3d|%8.3d|%-8.3d|%08.3d|%+.5d", v, v, v, v, v, v);
		SAME_AS_LIBC("%hhd|%hd|%hhu|%hu", (signed char)v, (short)v, (unsigned char)v,
			(unsigned short)v);
		SAME_AS_LIBC("%*d|%-*d|%.*d", 7, v, 7, v, 4, v);
		SAME_AS_LIBC("%*d", -9, v);
	}
	SAME_AS_LIBC("%ld|%ld|%lu|%lx", LONG_MAX, LONG_MIN, ULONG_MAX, ULONG_MAX);
	SAME_AS_LIBC("%lld|%llu|%zu|%jd|%td", LLONG_MIN, ULLONG_MAX, SIZE_MAX, INTMAX_MIN,
		(ptrdiff_t)-5);
	SAME_AS_LIBC("%lo|%#lo", ULONG_MAX, ULONG_MAX);
}

static void text_is_padded_and_cut(void **state)
{
	char buf[16], hidden[3] = {'a', 'b',
			      'c'}; /* no NUL: precision must stop before it is looked for */

	(void)state;
	SAME_AS_LIBC(
		"%s|%10s|%-10s|%.2s|%10.2s|%-10.2s|", "abc", "abc", "abc", "abc", "abc", "abc");
	SAME_AS_LIBC("%c|%3c|%-3c|%%|%5c", 'x', 'y', 'z', 'w');
	assert_int_equal(fmt_snprintf(buf, sizeof(buf), "%.3s|%.0s|", hidden, hidden), 5);
	assert_string_equal(buf, "abc||");
	SAME_AS_LIBC("%p", (void *)0x1234);
	SAME_AS_LIBC("no conversion");
	SAME_AS_LIBC("%s", "");
}

static void the_length_is_that_of_the_whole_text(void **state)
{
	char buf[8];

	(void)state;
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(fmt_snprintf(buf, 4, "%s", "abcdefgh"), 8);
	assert_string_equal(buf, "abc");
	assert_int_equal(buf[4], 'x');
	assert_int_equal(fmt_snprintf(buf, 0, "%d", 12345), 5);
	assert_int_equal(fmt_snprintf(NULL, 0, "%100d", 1), 100);
	assert_int_equal(buf[0], 'a');
	assert_int_equal(fmt_snprintf(buf, 1, "zz"), 2);
	assert_string_equal(buf, "");
}

static void print(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fmt_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
}

static void an_unknown_conversion_stays_as_it_is(void **state)
{
	char buf[32];
	const char *volatile odd = "a%kb%"; /* volatile: the compiler would object */

	(void)state;
	print(buf, sizeof(buf), odd);
	assert_string_equal(buf, "a%kb");
}

static void numbers_are_parsed_up_to_the_last_digit(void **state)
{
	uint64_t v = 1;
	const char *end;

	(void)state;
	assert_true(fmt_parse_u64("123abc", &end, 10, &v));
	assert_int_equal(v, 123);
	assert_string_equal(end, "abc");
	assert_true(fmt_parse_u64("0x1fG", &end, 0, &v));
	assert_int_equal(v, 0x1f);
	assert_string_equal(end, "G");
	assert_true(fmt_parse_u64("017", &end, 0, &v));
	assert_int_equal(v, 017);
	assert_true(fmt_parse_u64("0", &end, 0, &v));
	assert_int_equal(v, 0);
	assert_true(fmt_parse_u64("0xz", &end, 0, &v));
	assert_string_equal(end, "xz");
	assert_true(fmt_parse_u64("18446744073709551615", NULL, 10, &v));
	assert_true(v == UINT64_MAX);
	assert_false(fmt_parse_u64("18446744073709551616", NULL, 10, &v));
	assert_false(fmt_parse_u64("-1", NULL, 10, &v));
	assert_false(fmt_parse_u64("", NULL, 0, &v));
	assert_false(fmt_parse_u64("z", NULL, 16, &v));
}

static void str_copy_always_ends_in_nul(void **state)
{
	char buf[4] = {'x', 'x', 'x', 'x'};

	(void)state;
	assert_int_equal(str_copy(buf, "ab", 4), 2);
	assert_string_equal(buf, "ab");
	assert_int_equal(str_copy(buf, "abcdef", 4), 6);
	assert_string_equal(buf, "abc");
	assert_int_equal(str_copy(buf, "zz", 1), 2);
	assert_string_equal(buf, "");
	assert_int_equal(str_copy(NULL, "zz", 0), 2);
}

static void errors_have_names(void **state)
{
	(void)state;
	assert_string_equal(err_name(0), "OK");
	assert_string_equal(err_name(-ENOENT), "ENOENT");
	assert_string_equal(err_name(ENOTRECOVERABLE), "ENOTRECOVERABLE");
	assert_string_equal(err_name(-ERESTARTSYS), "ERESTARTSYS");
	assert_string_equal(err_name(-4000), "E?");
	assert_string_equal(err_name(41), "E?");
}

#define NBITS 300

/* Every function against an array of bool. */
static void bitmaps_agree_with_a_model(void **state)
{
	uint64_t map[BITMAP_WORDS(NBITS)] = {0};
	bool model[NBITS] = {false};
	struct host_rng rng = {7};

	(void)state;
	for (unsigned step = 0; step < 3000; step++) {
		size_t from = host_rand(&rng) % NBITS, n = host_rand(&rng) % (NBITS - from + 1);
		bool set = host_rand(&rng) % 2;
		size_t i, count = 0, next_set = NBITS, next_clear = NBITS, run = NBITS;
		size_t want = 1 + host_rand(&rng) % 9;

		if (host_rand(&rng) % 4)
			n = MIN(n, (size_t)5);
		if (set)
			bitmap_set_range(map, from, n);
		else
			bitmap_clear_range(map, from, n);
		for (i = from; i < from + n; i++)
			model[i] = set;
		for (i = 0; i < NBITS; i++) {
			assert_int_equal(bitmap_test(map, i), model[i]);
			count += model[i];
			if (i >= from && model[i] && next_set == NBITS)
				next_set = i;
			if (i >= from && !model[i] && next_clear == NBITS)
				next_clear = i;
		}
		for (i = from; i + want <= NBITS && run == NBITS; i++) {
			size_t k = 0;

			while (k < want && !model[i + k])
				k++;
			if (k == want)
				run = i;
		}
		assert_int_equal(bitmap_count(map, NBITS), count);
		assert_int_equal(bitmap_find_set(map, NBITS, from), next_set);
		assert_int_equal(bitmap_find_clear(map, NBITS, from), next_clear);
		assert_int_equal(bitmap_find_clear_run(map, NBITS, from, want), run);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_look_as_in_c),
		cmocka_unit_test(text_is_padded_and_cut),
		cmocka_unit_test(the_length_is_that_of_the_whole_text),
		cmocka_unit_test(an_unknown_conversion_stays_as_it_is),
		cmocka_unit_test(numbers_are_parsed_up_to_the_last_digit),
		cmocka_unit_test(str_copy_always_ends_in_nul),
		cmocka_unit_test(errors_have_names),
		cmocka_unit_test(bitmaps_agree_with_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
