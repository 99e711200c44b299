/*
 * printf-style formatting. Pure, no locks, no allocation.
 *
 * One conversion is parsed into a struct fmt_spec, turned into digits or text in a small buffer on
 * the stack, and put out as pad, prefix, zeros, body, pad. The length counted is that of the whole
 * text, so that fmt_vsnprintf can say what would have been needed. Source: C17 7.21.6.1.
 */
#include "lib/fmt.h"
#include "lib/string.h"

#define DIGITS_MAX 24 /* 2^64 in octal has 22 digits */
#define PAD_CHUNK  16

struct fmt_spec {
	bool left, zero, plus, space, alt, upper;
	int width;
	int precision; /* -1: none given */
	char length;   /* 'H' hh, 'h', 'l' (also ll z j t), 0 int */
};

struct fmt_out {
	fmt_put_fn put;
	void *cookie;
};

static void put_pad(struct fmt_out *out, char c, long n)
{
	char chunk[PAD_CHUNK];

	memset(chunk, c, sizeof(chunk));
	for (; n > 0; n -= PAD_CHUNK)
		out->put(out->cookie, chunk, (size_t)MIN(n, (long)PAD_CHUNK));
}

/* Pad, prefix, zeros, body, pad. */
static void put_field(struct fmt_out *out, const struct fmt_spec *sp, const char *prefix,
	long zeros, const char *body, size_t n)
{
	size_t nprefix = strlen(prefix);
	long pad = sp->width - (long)(nprefix + n) - zeros;

	if (pad > 0 && !sp->left && sp->zero && sp->precision < 0) {
		zeros += pad;
		pad = 0;
	}
	if (!sp->left)
		put_pad(out, ' ', pad);
	if (nprefix)
		out->put(out->cookie, prefix, nprefix);
	put_pad(out, '0', zeros);
	if (n)
		out->put(out->cookie, body, n);
	if (sp->left)
		put_pad(out, ' ', pad);
}

static void put_number(
	struct fmt_out *out, const struct fmt_spec *sp, uint64_t v, unsigned base, const char *sign)
{
	const char *digits = sp->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char buf[DIGITS_MAX], *p = buf + sizeof(buf);
	const char *prefix = sign;
	long zeros, n;

	if (sp->alt && base == 16 && v)
		prefix = sp->upper ? "0X" : "0x";
	for (; v; v /= base)
		*--p = digits[v % base];
	n = buf + sizeof(buf) - p;
	zeros = MAX(sp->precision, sp->precision < 0 ? 1 : 0) - n;
	if (sp->alt && base == 8 && zeros <= 0)
		zeros = 1;
	put_field(out, sp, prefix, MAX(zeros, 0l), p, (size_t)n);
}

static void put_signed(struct fmt_out *out, const struct fmt_spec *sp, int64_t v)
{
	const char *sign = v < 0 ? "-" : sp->plus ? "+" : sp->space ? " " : "";

	put_number(out, sp, v < 0 ? -(uint64_t)v : (uint64_t)v, 10, sign);
}

static void put_text(struct fmt_out *out, struct fmt_spec *sp, const char *s)
{
	size_t max = sp->precision < 0 ? SIZE_MAX : (size_t)sp->precision;

	if (!s)
		s = "(null)";
	sp->zero = false;
	put_field(out, sp, "", 0, s, strnlen(s, max));
}

static bool parse_flag(struct fmt_spec *sp, char c)
{
	switch (c) {
	case '-':
		return sp->left = true;
	case '0':
		return sp->zero = true;
	case '+':
		return sp->plus = true;
	case ' ':
		return sp->space = true;
	case '#':
		return sp->alt = true;
	default:
		return false;
	}
}

static int parse_int(const char **fmt)
{
	int n = 0;

	while (**fmt >= '0' && **fmt <= '9')
		n = n * 10 + *(*fmt)++ - '0';
	return n;
}

static const char *parse_length(struct fmt_spec *sp, const char *fmt)
{
	if (*fmt == 'h') {
		sp->length = *++fmt == 'h' ? 'H' : 'h';
		return sp->length == 'H' ? fmt + 1 : fmt;
	}
	while (*fmt == 'l' || *fmt == 'z' || *fmt == 'j' || *fmt == 't') {
		sp->length = 'l';
		fmt++;
	}
	return fmt;
}

/* The argument list by reference: a va_list parameter is one, but only as a struct member is that
 * portable. */
struct fmt_args {
	va_list ap;
};

/* Parse the flags, width, precision and length that follow '%'. */
static const char *parse_spec(struct fmt_spec *sp, const char *fmt, struct fmt_args *args)
{
	*sp = (struct fmt_spec){.precision = -1};
	while (parse_flag(sp, *fmt))
		fmt++;
	if (*fmt == '*') {
		sp->width = va_arg(args->ap, int);
		if (sp->width < 0) {
			sp->left = true;
			sp->width = -sp->width;
		}
		fmt++;
	} else {
		sp->width = parse_int(&fmt);
	}
	if (*fmt == '.') {
		fmt++;
		if (*fmt == '*') {
			sp->precision = va_arg(args->ap, int);
			fmt++;
		} else {
			sp->precision = parse_int(&fmt);
		}
	}
	return parse_length(sp, fmt);
}

static int64_t arg_signed(const struct fmt_spec *sp, struct fmt_args *args)
{
	if (sp->length == 'l')
		return va_arg(args->ap, int64_t);

	int v = va_arg(args->ap, int);

	return sp->length == 'H' ? (signed char)v : sp->length == 'h' ? (short)v : v;
}

static uint64_t arg_unsigned(const struct fmt_spec *sp, struct fmt_args *args)
{
	if (sp->length == 'l')
		return va_arg(args->ap, uint64_t);

	unsigned v = va_arg(args->ap, unsigned);

	return sp->length == 'H' ? (unsigned char)v : sp->length == 'h' ? (unsigned short)v : v;
}

/* Put out one conversion. An unknown one is put out as it stands. */
static void put_conversion(
	struct fmt_out *out, struct fmt_spec *sp, char conv, struct fmt_args *args)
{
	char c = conv;

	switch (conv) {
	case 'd':
	case 'i':
		put_signed(out, sp, arg_signed(sp, args));
		break;
	case 'u':
		put_number(out, sp, arg_unsigned(sp, args), 10, "");
		break;
	case 'X':
		sp->upper = true;
		put_number(out, sp, arg_unsigned(sp, args), 16, "");
		break;
	case 'x':
		put_number(out, sp, arg_unsigned(sp, args), 16, "");
		break;
	case 'o':
		put_number(out, sp, arg_unsigned(sp, args), 8, "");
		break;
	case 'p':
		sp->alt = true;
		put_number(out, sp, (uint64_t)(uintptr_t)va_arg(args->ap, void *), 16, "");
		break;
	case 's':
		put_text(out, sp, va_arg(args->ap, const char *));
		break;
	case 'c':
		c = (char)va_arg(args->ap, int);
		sp->zero = false;
		put_field(out, sp, "", 0, &c, 1);
		break;
	case '%':
		out->put(out->cookie, "%", 1);
		break;
	default:
		out->put(out->cookie, "%", 1);
		out->put(out->cookie, &c, 1);
	}
}

void fmt_vprint(fmt_put_fn put, void *cookie, const char *fmt, va_list ap)
{
	struct fmt_out out = {put, cookie};
	struct fmt_spec sp;
	struct fmt_args args;

	va_copy(args.ap, ap);
	while (*fmt) {
		const char *start = fmt;

		while (*fmt && *fmt != '%')
			fmt++;
		if (fmt > start)
			put(cookie, start, (size_t)(fmt - start));
		if (!*fmt)
			break;
		fmt = parse_spec(&sp, fmt + 1, &args);
		if (!*fmt)
			break;
		put_conversion(&out, &sp, *fmt++, &args);
	}
	va_end(args.ap);
}

struct fmt_buffer {
	char *buf;
	size_t size, len;
};

static void buffer_put(void *cookie, const char *s, size_t n)
{
	struct fmt_buffer *b = cookie;

	if (b->len < b->size)
		memcpy(b->buf + b->len, s, MIN(n, b->size - b->len));
	b->len += n;
}

int fmt_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct fmt_buffer b = {buf, size, 0};

	fmt_vprint(buffer_put, &b, fmt, ap);
	if (size)
		buf[MIN(b.len, size - 1)] = '\0';
	return (int)b.len;
}

int fmt_snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = fmt_vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

static unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'z' ? (unsigned)(c - 'a') + 10 : UINT_MAX;
}

bool fmt_parse_u64(const char *s, const char **end, unsigned base, uint64_t *out)
{
	uint64_t v = 0;
	const char *start;

	if ((base == 0 || base == 16) && s[0] == '0' && (s[1] | 0x20) == 'x' &&
		digit_value(s[2]) < 16) {
		base = 16;
		s += 2;
	} else if (base == 0) {
		base = s[0] == '0' ? 8 : 10;
	}
	start = s;
	for (; digit_value(*s) < base; s++)
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
			__builtin_add_overflow(v, (uint64_t)digit_value(*s), &v))
			return false;
	if (s == start)
		return false;
	if (end)
		*end = s;
	*out = v;
	return true;
}
