/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted output: one conversion at a time, character by character, into any sink.
 *
 * A conversion is parsed into a struct spec; then number or text are laid out as
 *
 *	spaces | sign or prefix | zeroes | digits or text | spaces
 *
 * where at most one of the two runs of spaces is there.
 */
#include <stdbool.h>
#include <stdint.h>

#include <pagoda/stdio.h>
#include <pagoda/string.h>

struct sink {
	void (*put)(char c, void *cookie);
	void *cookie;
	int count;
};

struct spec {
	bool left, zero, plus, space, alternate, upper;
	int width;
	int precision; /* -1: none given */
	int length;    /* bytes of the argument */
};

#define MAX_DIGITS 24 /* of 64 bits in base 8, and some */

static void
put(struct sink *sink, char c)
{
	sink->put(c, sink->cookie);
	sink->count++;
}

static void
put_many(struct sink *sink, char c, int n)
{
	while (n-- > 0) {
		put(sink, c);
	}
}

/* prefix, zeroes and body, padded to the width. */
static void
put_field(struct sink *sink, const struct spec *spec, const char *prefix, int zeroes,
	  const char *body, int length)
{
	int prefix_length = (int)strlen(prefix);
	int padding = spec->width - prefix_length - zeroes - length;

	if (!spec->left) {
		put_many(sink, ' ', padding);
	}
	for (int i = 0; i < prefix_length; i++) {
		put(sink, prefix[i]);
	}
	put_many(sink, '0', zeroes);
	for (int i = 0; i < length; i++) {
		put(sink, body[i]);
	}
	if (spec->left) {
		put_many(sink, ' ', padding);
	}
}

static void
put_number(struct sink *sink, const struct spec *spec, const char *prefix, uint64_t value,
	   unsigned base)
{
	const char *digits = spec->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char buffer[MAX_DIGITS];
	int n = 0, zeroes;

	for (uint64_t rest = value; rest != 0 || (n == 0 && spec->precision != 0); rest /= base) {
		buffer[MAX_DIGITS - ++n] = digits[rest % base];
	}
	zeroes = spec->precision - n;
	if (spec->precision < 0 && spec->zero && !spec->left) {
		zeroes = spec->width - n - (int)strlen(prefix);
	}
	put_field(sink, spec, prefix, zeroes > 0 ? zeroes : 0, buffer + MAX_DIGITS - n, n);
}

static void
put_signed(struct sink *sink, const struct spec *spec, int64_t value)
{
	const char *prefix = spec->plus ? "+" : spec->space ? " " : "";
	uint64_t magnitude = value;

	if (value < 0) {
		prefix = "-";
		magnitude = -magnitude;
	}
	put_number(sink, spec, prefix, magnitude, 10);
}

static void
put_hex(struct sink *sink, const struct spec *spec, uint64_t value)
{
	const char *prefix = "";

	if (spec->alternate && value != 0) {
		prefix = spec->upper ? "0X" : "0x";
	}
	put_number(sink, spec, prefix, value, 16);
}

static void
put_string(struct sink *sink, const struct spec *spec, const char *s)
{
	size_t max = spec->precision < 0 ? INT32_MAX : (size_t)spec->precision;

	if (s == NULL) {
		s = "(null)";
	}
	put_field(sink, spec, "", 0, s, (int)strnlen(s, max));
}

static const char *
parse_flags(const char *f, struct spec *spec)
{
	for (;; f++) {
		switch (*f) {
		case '-':
			spec->left = true;
			break;
		case '0':
			spec->zero = true;
			break;
		case '+':
			spec->plus = true;
			break;
		case ' ':
			spec->space = true;
			break;
		case '#':
			spec->alternate = true;
			break;
		default:
			return f;
		}
	}
}

/* va_list is an array: a pointer to it can be passed on only inside a structure. */
struct arguments {
	va_list list;
};

static const char *
parse_count(const char *f, struct arguments *args, int *count)
{
	if (*f == '*') {
		*count = va_arg(args->list, int);
		return f + 1;
	}
	for (*count = 0; *f >= '0' && *f <= '9'; f++) {
		*count = *count * 10 + (*f - '0');
	}
	return f;
}

static const char *
parse_length(const char *f, struct spec *spec)
{
	spec->length = sizeof(int);
	switch (*f) {
	case 'h':
		spec->length = f[1] == 'h' ? sizeof(char) : sizeof(short);
		return f + (f[1] == 'h' ? 2 : 1);
	case 'l':
		spec->length = sizeof(long);
		return f + (f[1] == 'l' ? 2 : 1);
	case 'z':
	case 'j':
	case 't':
		spec->length = sizeof(long);
		return f + 1;
	default:
		return f;
	}
}

static const char *
parse_spec(const char *f, struct arguments *args, struct spec *spec)
{
	f = parse_flags(f, spec);
	f = parse_count(f, args, &spec->width);
	if (spec->width < 0) {
		spec->left = true;
		spec->width = -spec->width;
	}
	spec->precision = -1;
	if (*f == '.') {
		f = parse_count(f + 1, args, &spec->precision);
	}
	return parse_length(f, spec);
}

static int64_t
signed_argument(struct arguments *args, const struct spec *spec)
{
	if (spec->length == sizeof(long)) {
		return va_arg(args->list, long);
	}
	int value = va_arg(args->list, int);

	return spec->length == sizeof(char)    ? (signed char)value
	       : spec->length == sizeof(short) ? (short)value
					       : value;
}

static uint64_t
unsigned_argument(struct arguments *args, const struct spec *spec)
{
	if (spec->length == sizeof(long)) {
		return va_arg(args->list, unsigned long);
	}
	unsigned value = va_arg(args->list, unsigned);

	return spec->length == sizeof(char)    ? (unsigned char)value
	       : spec->length == sizeof(short) ? (unsigned short)value
					       : value;
}

static void
convert(struct sink *sink, char conversion, struct spec *spec, struct arguments *args)
{
	char c;

	switch (conversion) {
	case 'd':
	case 'i':
		put_signed(sink, spec, signed_argument(args, spec));
		break;
	case 'u':
		put_number(sink, spec, "", unsigned_argument(args, spec), 10);
		break;
	case 'o':
		put_number(sink, spec, "", unsigned_argument(args, spec), 8);
		break;
	case 'X':
		spec->upper = true;
		put_hex(sink, spec, unsigned_argument(args, spec));
		break;
	case 'x':
		put_hex(sink, spec, unsigned_argument(args, spec));
		break;
	case 'p':
		put_number(sink, spec, "0x", (uint64_t)va_arg(args->list, void *), 16);
		break;
	case 's':
		put_string(sink, spec, va_arg(args->list, const char *));
		break;
	case 'c':
		c = (char)va_arg(args->list, int);
		put_field(sink, spec, "", 0, &c, 1);
		break;
	default:
		put(sink, conversion);
		break;
	}
}

int
format_to(void (*put_char)(char c, void *cookie), void *cookie, const char *format, va_list args)
{
	struct sink sink = {put_char, cookie, 0};
	struct arguments arguments;

	va_copy(arguments.list, args);
	for (const char *f = format; *f != '\0'; f++) {
		struct spec spec = {0};

		if (*f != '%') {
			put(&sink, *f);
			continue;
		}
		f = parse_spec(f + 1, &arguments, &spec);
		if (*f == '\0') {
			break;
		}
		convert(&sink, *f, &spec, &arguments);
	}
	va_end(arguments.list);
	return sink.count;
}

struct buffer {
	char *at, *end; /* end: where the terminator goes at the latest */
};

static void
put_in_buffer(char c, void *cookie)
{
	struct buffer *buffer = cookie;

	if (buffer->at < buffer->end) {
		*buffer->at++ = c;
	}
}

int
vsnprintf(char *buffer, size_t size, const char *format, va_list args)
{
	struct buffer b = {buffer, buffer + (size > 0 ? size - 1 : 0)};
	int length = format_to(put_in_buffer, &b, format, args);

	if (size > 0) {
		*b.at = '\0';
	}
	return length;
}

int
snprintf(char *buffer, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int length = vsnprintf(buffer, size, format, args);
	va_end(args);
	return length;
}
