/*
 * The line discipline.
 *
 * Input goes through: literal (^V) - flow control (IXON) - signals (ISIG) - CR and NL mapping -
 * editing (ICANON) - echo - ring. An entry of the ring is a byte and marks: END, the last of a
 * line; EOT, no byte at all, the place where ^D was typed.
 *
 *	ring:  tail ---finished lines--- canon ---line being edited--- head
 *
 * Without ICANON everything from tail to head can be read. Echo and output both go through the
 * output flags (OPOST), which keep the column, so that erasing a tab or a ^X goes back by as many
 * columns as it took.
 *
 * Source: termios(3), POSIX "General Terminal Interface".
 */
#include "dev/tty_ldisc.h"

#include "lib/string.h"

#define ENTRY_END 0x100u
#define ENTRY_EOT 0x200u

/* signal(7); the same on the host. */
#define SIGNAL_INT  2u
#define SIGNAL_QUIT 3u
#define SIGNAL_TSTP 20u

#define CTRL(c) ((uint8_t)((c)&0x1f))

void ldisc_init(
	struct tty_ldisc *l, void (*put)(void *cookie, const char *s, size_t n), void *cookie)
{
	static const uint8_t cc[KNCCS] = {[VINTR] = CTRL('C'),
		[VQUIT] = CTRL('\\'),
		[VERASE] = 0x7f,
		[VKILL] = CTRL('U'),
		[VEOF] = CTRL('D'),
		[VMIN] = 1,
		[VSTART] = CTRL('Q'),
		[VSTOP] = CTRL('S'),
		[VSUSP] = CTRL('Z'),
		[VREPRINT] = CTRL('R'),
		[VDISCARD] = CTRL('O'),
		[VWERASE] = CTRL('W'),
		[VLNEXT] = CTRL('V')};

	memset(l, 0, sizeof(*l));
	l->t.c_iflag = ICRNL | IXON;
	l->t.c_oflag = OPOST | ONLCR;
	l->t.c_cflag = B115200 | CS8 | CREAD | HUPCL | CLOCAL;
	l->t.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	l->t.c_ispeed = l->t.c_ospeed = 115200;
	memcpy(l->t.c_cc, cc, sizeof(cc));
	l->put = put;
	l->cookie = cookie;
}

/* What is on its way to the hardware is gathered in a small buffer. */
struct out {
	struct tty_ldisc *l;
	size_t n;
	char buf[128];
};

static void out_flush(struct out *o)
{
	if (o->n)
		o->l->put(o->l->cookie, o->buf, o->n);
	o->n = 0;
}

static void out_raw(struct out *o, char c)
{
	if (o->n == sizeof(o->buf))
		out_flush(o);
	o->buf[o->n++] = c;
}

static bool is_utf8_tail(const struct tty_ldisc *l, uint8_t c)
{
	return (l->t.c_iflag & IUTF8) && (c & 0xc0) == 0x80;
}

/* One character through the output flags. */
static void out_char(struct out *o, uint8_t c)
{
	struct tty_ldisc *l = o->l;
	uint32_t flags = l->t.c_oflag;

	if (!(flags & OPOST)) {
		out_raw(o, (char)c);
		return;
	}
	switch (c) {
	case '\n':
		if (flags & ONLRET)
			l->column = 0;
		if (flags & ONLCR) {
			l->column = 0;
			out_raw(o, '\r');
		}
		break;
	case '\r':
		if ((flags & ONOCR) && l->column == 0)
			return;
		if (flags & OCRNL) {
			c = '\n';
			if (flags & ONLRET)
				l->column = 0;
			break;
		}
		l->column = 0;
		break;
	case '\t': {
		unsigned spaces = 8 - (l->column & 7);

		l->column += spaces;
		if ((flags & TABDLY) == XTABS) {
			while (spaces--)
				out_raw(o, ' ');
			return;
		}
		break;
	}
	case '\b':
		if (l->column)
			l->column--;
		break;
	default:
		if ((flags & OLCUC) && c >= 'a' && c <= 'z')
			c -= 'a' - 'A';
		if (c >= ' ' && c != 0x7f && !is_utf8_tail(l, c))
			l->column++;
	}
	out_raw(o, (char)c);
}

void ldisc_output(struct tty_ldisc *l, const char *s, size_t n)
{
	struct out o = {.l = l};

	for (size_t i = 0; i < n; i++)
		out_char(&o, (uint8_t)s[i]);
	out_flush(&o);
}

static bool shown_with_caret(const struct tty_ldisc *l, uint8_t c)
{
	return (l->t.c_lflag & ECHOCTL) && (c < ' ' || c == 0x7f) && c != '\t';
}

static void echo_to(struct out *o, uint8_t c)
{
	if (c != '\n' && shown_with_caret(o->l, c)) {
		out_char(o, '^');
		out_char(o, c ^ 0x40);
	} else {
		out_char(o, c);
	}
}

static void echo(struct tty_ldisc *l, uint8_t c)
{
	struct out o = {.l = l};

	if (!(l->t.c_lflag & ECHO) && !(c == '\n' && (l->t.c_lflag & ECHONL)))
		return;
	echo_to(&o, c);
	out_flush(&o);
}

static void bell(struct tty_ldisc *l)
{
	if (l->t.c_iflag & IMAXBEL)
		l->put(l->cookie, "\a", 1);
}

static uint8_t ring_byte(const struct tty_ldisc *l, uint32_t i)
{
	return (uint8_t)l->ring[i % LDISC_RING];
}

/* Is c the control character of that index? A character of 0 is switched off. */
static bool is_cc(const struct tty_ldisc *l, unsigned index, uint8_t c)
{
	return c && l->t.c_cc[index] == c;
}

static bool is_extended(const struct tty_ldisc *l, unsigned index, uint8_t c)
{
	return (l->t.c_lflag & IEXTEN) && is_cc(l, index, c);
}

/* The column behind the edited line: its start plus what its characters take. */
static unsigned line_column(const struct tty_ldisc *l)
{
	unsigned column = l->line_start;

	for (uint32_t i = l->canon; i != l->head; i++) {
		uint8_t c = ring_byte(l, i);

		if (c == '\t')
			column = (column | 7) + 1;
		else if (shown_with_caret(l, c))
			column += 2;
		else if (c >= ' ' && c != 0x7f && !is_utf8_tail(l, c))
			column++;
	}
	return column;
}

/* Take the last character of the edited line away, all its bytes. */
static void drop_char(struct tty_ldisc *l)
{
	while (l->head != l->canon) {
		l->head--;
		if (!is_utf8_tail(l, ring_byte(l, l->head)))
			return;
	}
}

/* Wipe from the screen what was taken away. */
static void echo_erased(struct tty_ldisc *l, uint8_t c)
{
	struct out o = {.l = l};
	unsigned column = line_column(l);

	if (!(l->t.c_lflag & ECHO))
		return;
	if (!(l->t.c_lflag & ECHOE)) {
		echo(l, c);
		return;
	}
	while (l->column > column) {
		out_raw(&o, '\b');
		out_raw(&o, ' ');
		out_raw(&o, '\b');
		l->column--;
	}
	out_flush(&o);
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static void erase_word(struct tty_ldisc *l)
{
	while (l->head != l->canon && is_blank(ring_byte(l, l->head - 1)))
		drop_char(l);
	while (l->head != l->canon && !is_blank(ring_byte(l, l->head - 1)))
		drop_char(l);
}

static void kill_line(struct tty_ldisc *l, uint8_t c)
{
	uint32_t lflag = l->t.c_lflag;

	l->head = l->canon;
	if (!(lflag & ECHO))
		return;
	if ((lflag & ECHOKE) && (lflag & ECHOE)) {
		echo_erased(l, c);
		return;
	}
	echo(l, c);
	if (lflag & ECHOK)
		echo(l, '\n');
}

static void reprint(struct tty_ldisc *l, uint8_t c)
{
	struct out o = {.l = l};

	if (!(l->t.c_lflag & ECHO))
		return;
	echo_to(&o, c);
	out_char(&o, '\n');
	l->line_start = l->column;
	for (uint32_t i = l->canon; i != l->head; i++)
		echo_to(&o, ring_byte(l, i));
	out_flush(&o);
}

/* The edited line is finished by this entry. */
static void end_line(struct tty_ldisc *l, uint16_t entry)
{
	l->ring[l->head++ % LDISC_RING] = entry;
	l->canon = l->head;
}

/* A character that is kept. One place stays free for the end of a line. */
static void keep(struct tty_ldisc *l, uint8_t c)
{
	if (l->head - l->tail >= LDISC_RING - 1) {
		bell(l);
		return;
	}
	if (l->head == l->canon)
		l->line_start = l->column;
	echo(l, c);
	l->ring[l->head++ % LDISC_RING] = c;
}

/* Editing. True: the character was a command. */
static bool edit(struct tty_ldisc *l, uint8_t c)
{
	bool room = l->head - l->tail < LDISC_RING;

	if (is_cc(l, VERASE, c)) {
		if (l->head != l->canon) {
			drop_char(l);
			echo_erased(l, c);
		}
	} else if (is_extended(l, VWERASE, c)) {
		erase_word(l);
		echo_erased(l, c);
	} else if (is_cc(l, VKILL, c)) {
		kill_line(l, c);
	} else if (is_extended(l, VLNEXT, c)) {
		l->literal = true;
		if ((l->t.c_lflag & ECHO) && (l->t.c_lflag & ECHOCTL))
			l->put(l->cookie, "^\b", 2);
	} else if (is_extended(l, VREPRINT, c)) {
		reprint(l, c);
	} else if (is_cc(l, VEOF, c)) {
		if (room)
			end_line(l, ENTRY_EOT);
	} else if (c == '\n' || is_cc(l, VEOL, c) || is_extended(l, VEOL2, c)) {
		if (room) {
			echo(l, c);
			end_line(l, ENTRY_END | c);
		}
	} else {
		return false;
	}
	return true;
}

/* Characters that send a signal. True: it was one. */
static bool signal_char(struct tty_ldisc *l, uint8_t c)
{
	unsigned sig;

	if (is_cc(l, VINTR, c))
		sig = SIGNAL_INT;
	else if (is_cc(l, VQUIT, c))
		sig = SIGNAL_QUIT;
	else if (is_cc(l, VSUSP, c))
		sig = SIGNAL_TSTP;
	else
		return false;
	if (!(l->t.c_lflag & NOFLSH))
		ldisc_flush_input(l);
	l->stopped = false;
	echo(l, c);
	l->signals |= 1u << sig;
	return true;
}

/* ^S and ^Q. True: it was one. */
static bool flow_char(struct tty_ldisc *l, uint8_t c)
{
	if (is_cc(l, VSTOP, c) && !(l->stopped && l->t.c_cc[VSTOP] == l->t.c_cc[VSTART])) {
		l->stopped = true;
		return true;
	}
	if (is_cc(l, VSTART, c)) {
		l->stopped = false;
		return true;
	}
	return false;
}

/* CR and NL by the input flags. False: drop it. */
static bool map_newline(const struct tty_ldisc *l, uint8_t *c)
{
	uint32_t flags = l->t.c_iflag;

	if (*c == '\r') {
		if (flags & IGNCR)
			return false;
		if (flags & ICRNL)
			*c = '\n';
	} else if (*c == '\n' && (flags & INLCR)) {
		*c = '\r';
	}
	return true;
}

void ldisc_input(struct tty_ldisc *l, uint8_t c)
{
	uint32_t iflag = l->t.c_iflag, lflag = l->t.c_lflag;

	if (iflag & ISTRIP)
		c &= 0x7f;
	if ((iflag & IUCLC) && (lflag & IEXTEN) && c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	if (l->literal) {
		l->literal = false;
		keep(l, c);
		return;
	}
	if ((iflag & IXON) && flow_char(l, c))
		return;
	if (l->stopped && (iflag & IXON) && (iflag & IXANY))
		l->stopped = false;
	if ((lflag & ISIG) && signal_char(l, c))
		return;
	if (!map_newline(l, &c))
		return;
	if ((lflag & ICANON) && edit(l, c))
		return;
	keep(l, c);
}

void ldisc_flush_input(struct tty_ldisc *l)
{
	l->tail = l->canon = l->head;
	l->literal = false;
}

size_t ldisc_available(const struct tty_ldisc *l)
{
	uint32_t end = l->t.c_lflag & ICANON ? l->canon : l->head;
	size_t n = 0;

	for (uint32_t i = l->tail; i != end; i++)
		n += !(l->ring[i % LDISC_RING] & ENTRY_EOT);
	return n;
}

bool ldisc_readable(const struct tty_ldisc *l)
{
	unsigned min = l->t.c_cc[VTIME] ? 1 : l->t.c_cc[VMIN];

	if (l->t.c_lflag & ICANON)
		return l->tail != l->canon;
	return l->head - l->tail >= (min ? min : 1);
}

size_t ldisc_read(struct tty_ldisc *l, char *buf, size_t n, bool *ended)
{
	bool canonical = l->t.c_lflag & ICANON;
	uint32_t end = canonical ? l->canon : l->head;
	size_t done = 0;

	*ended = false;
	while (l->tail != end && !*ended) {
		uint16_t e = l->ring[l->tail % LDISC_RING];

		/* An end of input right behind what filled the buffer goes with it: it must not
		 * look like the end of the file to the next read. */
		if (done == n && !(e & ENTRY_EOT))
			return done;
		l->tail++;
		if (!canonical && l->canon - l->tail > LDISC_RING)
			l->canon = l->tail;
		if (e & ENTRY_EOT) {
			*ended = canonical;
			continue;
		}
		buf[done++] = (char)e;
		*ended = canonical && (e & ENTRY_END);
	}
	if (!canonical)
		*ended = true;
	return done;
}

void ldisc_set(struct tty_ldisc *l, const struct ktermios2_abi *t)
{
	bool was = l->t.c_lflag & ICANON;

	l->t = *t;
	if (!was && (t->c_lflag & ICANON) && l->head != l->tail) {
		/* What was typed before counts as a line. */
		l->ring[(l->head - 1) % LDISC_RING] |= ENTRY_END;
		l->canon = l->head;
	}
	if (!(t->c_lflag & ICANON))
		l->literal = false;
	if (!(t->c_iflag & IXON))
		l->stopped = false;
}
