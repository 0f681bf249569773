/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernel printing.
 *
 *	kprintf --format--> pieces --+--> log ring		the last PRINT_LOG_SIZE bytes
 *				     +--> console, console ...	serial line, screen
 *
 * The formatter knows nothing of where its text goes: it hands pieces to a sink.  ksnprintf's sink
 * is a buffer; kprintf's is a line buffer that is passed on when full and at the end.  What one
 * call prints stays together: the print lock is held for the whole call.  It ranks above all
 * others, so one can print anywhere.  A console that comes late first gets what the log ring still
 * holds.
 *
 * print_log and print_log_end are where a debugger finds the log: byte n of all that was ever
 * printed is print_log[n % PRINT_LOG_SIZE], and print_log_end bytes were printed.
 *
 * After print_panic_mode() the lock is no longer taken: its holder may be the one that panicked.
 */
#include "kernel/base/print.h"
#include "kernel/base/spinlock.h"
#include "kernel/base/string.h"
#include <stdbool.h>
#include <stdint.h>

#define PRINT_LOG_SIZE	 16384
#define PRINT_LINE_SIZE	 128
#define PRINT_DIGITS_MAX 22 /* 2^64 - 1 in octal */
#define PRINT_PADS	 16 /* padding is written in pieces of this size */

static struct spinlock print_lock = SPINLOCK_INITIALIZER("print", LOCK_RANK_PRINT);
static bool print_unlocked; /* set once, by panic, with all other processors stopped or ignored */
static struct list consoles = LIST_INITIALIZER(consoles); /* print_lock */

char print_log[PRINT_LOG_SIZE]; /* print_lock */
uint64_t print_log_end;		/* print_lock */

/* Where formatted text goes. */
struct sink {
	void (*put)(struct sink *s, const char *text, size_t n);
	size_t total; /* bytes handed to put */
};

/* One conversion of a format string: %[flags][width][.precision][length]type */
struct spec {
	bool left, zero, plus, space, alternate; /* the flags - 0 + blank # */
	int width;
	int precision;	    /* -1 if none is given */
	unsigned int bytes; /* size of the integer argument */
	char type;
};

static void
sink_put(struct sink *s, const char *text, size_t n)
{
	s->total += n;
	s->put(s, text, n);
}

static void
sink_pad(struct sink *s, char c, int n)
{
	char pads[PRINT_PADS];

	if (n <= 0)
		return;
	memset(pads, c, sizeof(pads));
	for (; n > PRINT_PADS; n -= PRINT_PADS)
		sink_put(s, pads, PRINT_PADS);
	sink_put(s, pads, (size_t)n);
}

/* parse_number: the decimal number at *fmt, or the next int argument for '*'. */
static int
parse_number(const char **fmt, va_list *ap)
{
	int n = 0;

	if (**fmt == '*') {
		(*fmt)++;
		return va_arg(*ap, int);
	}
	while (**fmt >= '0' && **fmt <= '9')
		n = n * 10 + (*(*fmt)++ - '0');
	return n;
}

static void
parse_flags(const char **fmt, struct spec *sp)
{
	for (;; (*fmt)++) {
		switch (**fmt) {
		case '-':
			sp->left = true;
			break;
		case '0':
			sp->zero = true;
			break;
		case '+':
			sp->plus = true;
			break;
		case ' ':
			sp->space = true;
			break;
		case '#':
			sp->alternate = true;
			break;
		default:
			return;
		}
	}
}

static unsigned int
parse_length(const char **fmt)
{
	switch (*(*fmt)++) {
	case 'h':
		if (**fmt != 'h')
			return sizeof(short);
		(*fmt)++;
		return sizeof(char);
	case 'l':
		if (**fmt == 'l')
			(*fmt)++;
		return sizeof(long);
	case 'z':
	case 't':
	case 'j':
		return sizeof(long);
	default:
		(*fmt)--;
		return sizeof(int);
	}
}

/* parse_spec: read a conversion; *fmt stands behind the '%' on entry, behind the type on exit. */
static struct spec
parse_spec(const char **fmt, va_list *ap)
{
	struct spec sp = {.precision = -1};

	parse_flags(fmt, &sp);
	sp.width = parse_number(fmt, ap);
	if (sp.width < 0) {
		sp.left = true;
		sp.width = -sp.width;
	}
	if (**fmt == '.') {
		(*fmt)++;
		sp.precision = parse_number(fmt, ap);
	}
	sp.bytes = parse_length(fmt);
	sp.type = **fmt;
	if (sp.type != '\0')
		(*fmt)++;
	return sp;
}

/* The integer argument, of the size that the length modifier says, extended to 64 bits. */
static uint64_t
signed_argument(const struct spec *sp, va_list *ap)
{
	switch (sp->bytes) {
	case sizeof(char):
		return (uint64_t)(signed char)va_arg(*ap, int);
	case sizeof(short):
		return (uint64_t)(short)va_arg(*ap, int);
	case sizeof(int):
		return (uint64_t)va_arg(*ap, int);
	default:
		return (uint64_t)va_arg(*ap, long);
	}
}

static uint64_t
unsigned_argument(const struct spec *sp, va_list *ap)
{
	switch (sp->bytes) {
	case sizeof(char):
		return (unsigned char)va_arg(*ap, unsigned int);
	case sizeof(short):
		return (unsigned short)va_arg(*ap, unsigned int);
	case sizeof(int):
		return va_arg(*ap, unsigned int);
	default:
		return va_arg(*ap, unsigned long);
	}
}

/* put_padded: a prefix (sign, 0x), zeros and text, padded to the width of the conversion. */
static void
put_padded(struct sink *s, const struct spec *sp, const char *prefix, int zeros, const char *text,
	   size_t n)
{
	int length = (int)(strlen(prefix) + n) + zeros;

	if (!sp->left)
		sink_pad(s, ' ', sp->width - length);
	sink_put(s, prefix, strlen(prefix));
	sink_pad(s, '0', zeros);
	sink_put(s, text, n);
	if (sp->left)
		sink_pad(s, ' ', sp->width - length);
}

/* zeros_before: how many zeros precede n digits, by the precision or by the flag 0. */
static int
zeros_before(const struct spec *sp, int n, int prefix)
{
	if (sp->precision >= 0)
		return sp->precision > n ? sp->precision - n : 0;
	if (sp->zero && !sp->left && sp->width > n + prefix)
		return sp->width - n - prefix;
	return 0;
}

static void
put_digits(struct sink *s, const struct spec *sp, const char *prefix, uint64_t value,
	   unsigned int base)
{
	const char *digits = sp->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	char buf[PRINT_DIGITS_MAX], *p = buf + sizeof(buf);
	int n, zeros;

	for (uint64_t v = value; v != 0; v /= base)
		*--p = digits[v % base];
	if (value == 0 && sp->precision != 0)
		*--p = '0';
	n = (int)(buf + sizeof(buf) - p);
	zeros = zeros_before(sp, n, (int)strlen(prefix));
	if (sp->type == 'o' && sp->alternate && zeros == 0 && (n == 0 || *p != '0'))
		zeros = 1;
	put_padded(s, sp, prefix, zeros, p, (size_t)n);
}

static void
put_signed(struct sink *s, const struct spec *sp, va_list *ap)
{
	uint64_t v = signed_argument(sp, ap);
	bool negative = (int64_t)v < 0;

	put_digits(s, sp,
		   negative    ? "-"
		   : sp->plus  ? "+"
		   : sp->space ? " "
			       : "",
		   negative ? -v : v, 10);
}

static void
put_hex(struct sink *s, const struct spec *sp, va_list *ap)
{
	uint64_t v = unsigned_argument(sp, ap);
	const char *prefix = sp->type == 'X' ? "0X" : "0x";

	put_digits(s, sp, sp->alternate && v != 0 ? prefix : "", v, 16);
}

static void
put_string(struct sink *s, const struct spec *sp, const char *text)
{
	if (text == NULL)
		text = "(null)";
	put_padded(s, sp, "", 0, text,
		   sp->precision < 0 ? strlen(text) : strnlen(text, (size_t)sp->precision));
}

static void
put_argument(struct sink *s, const struct spec *sp, va_list *ap)
{
	char c;

	switch (sp->type) {
	case 'd':
	case 'i':
		put_signed(s, sp, ap);
		break;
	case 'u':
		put_digits(s, sp, "", unsigned_argument(sp, ap), 10);
		break;
	case 'o':
		put_digits(s, sp, "", unsigned_argument(sp, ap), 8);
		break;
	case 'x':
	case 'X':
		put_hex(s, sp, ap);
		break;
	case 'p':
		put_digits(s, sp, "0x", (uintptr_t)va_arg(*ap, void *), 16);
		break;
	case 'c':
		c = (char)va_arg(*ap, int);
		put_padded(s, sp, "", 0, &c, 1);
		break;
	case 's':
		put_string(s, sp, va_arg(*ap, const char *));
		break;
	case '%':
		sink_put(s, "%", 1);
		break;
	case '\0':
		break;
	default: /* not one of ours: shown, so that it is seen */
		sink_put(s, "%", 1);
		sink_put(s, &sp->type, 1);
	}
}

static void
format(struct sink *s, const char *fmt, va_list *ap)
{
	while (*fmt != '\0') {
		const char *start = fmt;
		struct spec sp;

		while (*fmt != '\0' && *fmt != '%')
			fmt++;
		sink_put(s, start, (size_t)(fmt - start));
		if (*fmt == '\0')
			break;
		fmt++;
		sp = parse_spec(&fmt, ap);
		put_argument(s, &sp, ap);
	}
}

/* A sink that fills a buffer and drops what does not fit. */
struct buffer_sink {
	struct sink sink;
	char *buf;
	size_t size, used;
};

static void
buffer_put(struct sink *s, const char *text, size_t n)
{
	struct buffer_sink *b = container_of(s, struct buffer_sink, sink);
	size_t room = b->size > b->used ? b->size - b->used - 1 : 0;

	if (n > room)
		n = room;
	memcpy(b->buf + b->used, text, n);
	b->used += n;
}

int
kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct buffer_sink b = {.sink = {.put = buffer_put}, .buf = buf, .size = size};
	va_list copy;

	va_copy(copy, ap);
	format(&b.sink, fmt, &copy);
	va_end(copy);
	if (size > 0)
		buf[b.used] = '\0';
	return (int)b.sink.total;
}

int
ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n;
}

static void
print_enter(void)
{
	if (print_unlocked)
		spin_enter();
	else
		spinlock_lock(&print_lock);
}

static void
print_leave(void)
{
	if (print_unlocked)
		spin_exit();
	else
		spinlock_unlock(&print_lock);
}

/* print_raw: text to the log ring and all consoles.  Print lock held. */
static void
print_raw(const char *text, size_t n)
{
	struct console *c;

	for (size_t i = 0; i < n; i++)
		print_log[print_log_end++ % PRINT_LOG_SIZE] = text[i];
	list_for_each_entry (c, &consoles, link)
		c->write(c, text, n);
}

/* A sink that collects pieces, so that consoles see few and long ones. */
struct line_sink {
	struct sink sink;
	size_t used;
	char line[PRINT_LINE_SIZE];
};

static void
line_flush(struct line_sink *l)
{
	print_raw(l->line, l->used);
	l->used = 0;
}

static void
line_put(struct sink *s, const char *text, size_t n)
{
	struct line_sink *l = container_of(s, struct line_sink, sink);

	for (size_t i = 0; i < n; i++) {
		if (l->used == PRINT_LINE_SIZE)
			line_flush(l);
		l->line[l->used++] = text[i];
	}
}

int
kvprintf(const char *fmt, va_list ap)
{
	struct line_sink l;
	va_list copy;

	l.sink = (struct sink){.put = line_put};
	l.used = 0;
	va_copy(copy, ap);
	print_enter();
	format(&l.sink, fmt, &copy);
	line_flush(&l);
	print_leave();
	va_end(copy);
	return (int)l.sink.total;
}

int
kprintf(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvprintf(fmt, ap);
	va_end(ap);
	return n;
}

void
console_write(const char *s, size_t n)
{
	print_enter();
	print_raw(s, n);
	print_leave();
}

void
console_register(struct console *c)
{
	uint64_t start;

	print_enter();
	start = print_log_end > PRINT_LOG_SIZE ? print_log_end - PRINT_LOG_SIZE : 0;
	while (start < print_log_end) {
		uint64_t at = start % PRINT_LOG_SIZE, n = print_log_end - start;

		if (n > PRINT_LOG_SIZE - at)
			n = PRINT_LOG_SIZE - at;
		c->write(c, &print_log[at], n);
		start += n;
	}
	list_push_back(&consoles, &c->link);
	print_leave();
}

void
print_panic_mode(void)
{
	print_unlocked = true;
}
