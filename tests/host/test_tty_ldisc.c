/* The line discipline: one behaviour a test. */
#include "cmocka_host.h"
#include "dev/tty_ldisc.h"

static struct tty_ldisc l;
static char screen[8192];
static size_t shown;

static void put(void *cookie, const char *s, size_t n)
{
	(void)cookie;
	memcpy(screen + shown, s, n);
	shown += n;
	screen[shown] = '\0';
}

static int begin(void **state)
{
	(void)state;
	ldisc_init(&l, put, NULL);
	shown = 0;
	screen[0] = '\0';
	return 0;
}

static void type(const char *s)
{
	while (*s)
		ldisc_input(&l, (uint8_t)*s++);
}

static void expect_read(const char *text)
{
	char buf[256] = "";
	bool ended;

	assert_true(ldisc_readable(&l));
	assert_int_equal(ldisc_read(&l, buf, sizeof(buf) - 1, &ended), strlen(text));
	assert_string_equal(buf, text);
	assert_true(ended);
}

static void a_line_is_read_when_it_is_finished(void **state)
{
	(void)state;
	type("hello");
	assert_false(ldisc_readable(&l));
	type("\rnext\n");
	assert_string_equal(screen, "hello\r\nnext\r\n");
	expect_read("hello\n");
	assert_int_equal(ldisc_available(&l), 5);
	expect_read("next\n");
	assert_false(ldisc_readable(&l));
}

static void erase_goes_back_by_what_was_shown(void **state)
{
	(void)state;
	type("ab\177");
	assert_string_equal(screen, "ab\b \b");
	shown = 0;
	type("\026\001\177");
	assert_string_equal(screen, "^\b^A\b \b\b \b");
	shown = 0;
	type("\t\177");
	assert_string_equal(screen, "\t\b \b\b \b\b \b\b \b\b \b\b \b\b \b");
	type("c\n");
	expect_read("ac\n");
}

static void erase_stops_at_the_line_start(void **state)
{
	(void)state;
	type("x\n");
	shown = 0;
	screen[0] = '\0';
	type("\177\177");
	assert_string_equal(screen, "");
	expect_read("x\n");
}

static void erase_takes_a_whole_utf8_character(void **state)
{
	(void)state;
	l.t.c_iflag |= IUTF8;
	type("a\303\244\177\n");
	expect_read("a\n");
}

static void words_and_lines_are_erased(void **state)
{
	(void)state;
	type("one two  \027three\n");
	expect_read("one three\n");
	type("junk\025good\n");
	expect_read("good\n");
}

static void eof_ends_without_a_byte(void **state)
{
	char buf[3];
	bool ended;

	(void)state;
	type("abc\004\004");
	assert_int_equal(ldisc_read(&l, buf, 3, &ended), 3);
	assert_true(ended);
	assert_true(ldisc_readable(&l));
	assert_int_equal(ldisc_read(&l, buf, 3, &ended), 0);
	assert_false(ldisc_readable(&l));
}

static void signals_flush_and_show(void **state)
{
	(void)state;
	type("typed\003");
	assert_int_equal(l.signals, 1u << 2);
	assert_string_equal(screen, "typed^C");
	type("\n");
	expect_read("\n");
	type("\032\034");
	assert_int_equal(l.signals, 1u << 2 | 1u << 3 | 1u << 20);
	l.t.c_lflag &= ~(uint32_t)ISIG;
	l.signals = 0;
	type("\003\n");
	assert_int_equal(l.signals, 0);
	expect_read("\003\n");
}

static void literal_next_takes_control_characters(void **state)
{
	(void)state;
	type("\026\003\026\004\n");
	expect_read("\003\004\n");
	assert_int_equal(l.signals, 0);
}

static void raw_mode_gives_bytes_at_once(void **state)
{
	struct ktermios2_abi t = l.t;
	char buf[8];
	bool ended;

	(void)state;
	type("pend");
	t.c_lflag &= ~(uint32_t)(ICANON | ECHO | ISIG);
	t.c_iflag = 0;
	ldisc_set(&l, &t);
	assert_int_equal(ldisc_available(&l), 4);
	type("\r\003\177");
	assert_int_equal(ldisc_read(&l, buf, 8, &ended), 7);
	assert_memory_equal(buf, "pend\r\003\177", 7);
	t.c_cc[VMIN] = 3;
	ldisc_set(&l, &t);
	type("ab");
	assert_false(ldisc_readable(&l));
	type("c");
	assert_true(ldisc_readable(&l));
	t.c_lflag |= ICANON;
	ldisc_set(&l, &t);
	expect_read("abc");
}

static void flow_control_stops_output(void **state)
{
	(void)state;
	type("\023");
	assert_true(l.stopped);
	type("\021");
	assert_false(l.stopped);
	assert_false(ldisc_readable(&l));
}

static void output_is_processed(void **state)
{
	(void)state;
	ldisc_output(&l, "a\nb\tc", 5);
	assert_string_equal(screen, "a\r\nb\tc");
	assert_int_equal(l.column, 9);
	shown = 0;
	l.t.c_oflag = OPOST | XTABS | OCRNL;
	l.column = 0;
	ldisc_output(&l, "a\tb\r", 4);
	assert_string_equal(screen, "a       b\n");
	shown = 0;
	l.t.c_oflag = 0;
	ldisc_output(&l, "a\n", 2);
	assert_string_equal(screen, "a\n");
}

static void a_full_line_can_still_be_finished(void **state)
{
	char buf[256];
	bool ended = false;
	size_t n = 0;

	(void)state;
	l.t.c_lflag &= ~(uint32_t)ECHO;
	for (unsigned i = 0; i < 5000; i++)
		ldisc_input(&l, 'x');
	type("\n");
	while (!ended)
		n += ldisc_read(&l, buf, sizeof(buf), &ended);
	assert_int_equal(n, LDISC_RING);
	assert_int_equal(buf[(n - 1) % 256], '\n');
}

static void echo_can_be_off(void **state)
{
	(void)state;
	l.t.c_lflag &= ~(uint32_t)ECHO;
	type("secret\n");
	assert_string_equal(screen, "");
	l.t.c_lflag |= ECHONL;
	type("secret\n");
	assert_string_equal(screen, "\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_line_is_read_when_it_is_finished, begin),
		cmocka_unit_test_setup(erase_goes_back_by_what_was_shown, begin),
		cmocka_unit_test_setup(erase_stops_at_the_line_start, begin),
		cmocka_unit_test_setup(erase_takes_a_whole_utf8_character, begin),
		cmocka_unit_test_setup(words_and_lines_are_erased, begin),
		cmocka_unit_test_setup(eof_ends_without_a_byte, begin),
		cmocka_unit_test_setup(signals_flush_and_show, begin),
		cmocka_unit_test_setup(literal_next_takes_control_characters, begin),
		cmocka_unit_test_setup(raw_mode_gives_bytes_at_once, begin),
		cmocka_unit_test_setup(flow_control_stops_output, begin),
		cmocka_unit_test_setup(output_is_processed, begin),
		cmocka_unit_test_setup(a_full_line_can_still_be_finished, begin),
		cmocka_unit_test_setup(echo_can_be_off, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
