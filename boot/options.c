/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's command line: options separated by blanks, "name" or "name=value".  The last of
 * several options with one name counts, so that a boot menu's line can be overridden by adding to
 * its end.
 *
 * Double quotes keep blanks in an option, a backslash keeps the character behind it as it is; both
 * go away.  GRUB moves the quotes around a value to around the whole option, so they may stand
 * anywhere.  For what no boot loader shall touch there is a third way: "%" and two hexadecimal
 * digits stand for one byte, and a "%" without them for nothing, so that a lone "%" is an empty
 * word.  What follows the word "--" belongs to the program that run= names.
 */
#include "boot/boot_info.h"
#include "boot/parse.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"

static const char *options = "";

void
boot_options_init(const char *cmdline)
{
	options = cmdline;
}

/* digit_value: of c in this base, or -1. */
static int
digit_value(char c, unsigned base)
{
	int v = -1;

	if (c >= '0' && c <= '9')
		v = c - '0';
	else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
		v = (c | 0x20) - 'a' + 10;
	return v >= 0 && (unsigned)v < base ? v : -1;
}

/* percent_byte: the byte that p, behind a percent sign, stands for; -1 if these are no digits. */
static int
percent_byte(const char *p)
{
	int high = digit_value(p[0], 16);
	int low = high < 0 ? -1 : digit_value(p[1], 16);

	return low < 0 ? -1 : high << 4 | low;
}

/*
 * next_word: copy the first word of p, decoded, to buf (truncated to size).
 * Returns what follows it, NULL if there was no word.
 */
static const char *
next_word(const char *p, char *buf, size_t size)
{
	bool quoted = false;
	size_t n = 0;
	int c;

	while (*p == ' ')
		p++;
	if (*p == '\0')
		return NULL;
	for (; *p != '\0' && (quoted || *p != ' '); p++) {
		if (*p == '"') {
			quoted = !quoted;
			continue;
		}
		c = (unsigned char)*p;
		if (c == '%') {
			c = percent_byte(p + 1);
			if (c < 0)
				continue;
			p += 2;
		} else if (c == '\\' && p[1] != '\0') {
			c = (unsigned char)*++p;
		}
		if (n + 1 < size)
			buf[n++] = (char)c;
	}
	buf[n] = '\0';
	return p;
}

const char *
boot_option(const char *name, char *buf, size_t size)
{
	const char *found = NULL, *p = options;
	char word[BOOT_OPTION_MAX];
	size_t n = strlen(name);

	while ((p = next_word(p, word, sizeof(word))) != NULL && strcmp(word, "--") != 0) {
		if (strncmp(word, name, n) == 0 && (word[n] == '=' || word[n] == '\0')) {
			strlcpy(buf, word + n + (word[n] == '='), size);
			found = buf;
		}
	}
	return found;
}

bool
boot_argument(unsigned i, char *buf, size_t size)
{
	const char *p = options;
	char word[BOOT_OPTION_MAX];

	do {
		p = next_word(p, word, sizeof(word));
	} while (p != NULL && strcmp(word, "--") != 0);
	for (unsigned k = 0; p != NULL && k <= i; k++)
		p = next_word(p, buf, size);
	return p != NULL;
}

/* suffix_shift: how many bits K, M or G shift a number; -1 for something else. */
static int
suffix_shift(const char *s)
{
	if (s[0] == '\0')
		return 0;
	if (s[1] != '\0')
		return -1;
	switch (s[0] | 0x20) {
	case 'k':
		return 10;
	case 'm':
		return 20;
	case 'g':
		return 30;
	default:
		return -1;
	}
}

/* parse_number: all of s as a number; false if it is none or too large. */
static bool
parse_number(const char *s, uint64_t *value)
{
	unsigned base = 10;
	uint64_t v = 0;
	int digit, shift;

	if (s[0] == '0' && (s[1] | 0x20) == 'x') {
		base = 16;
		s += 2;
	}
	if (digit_value(*s, base) < 0)
		return false;
	for (; (digit = digit_value(*s, base)) >= 0; s++) {
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, digit, &v))
			return false;
	}
	shift = suffix_shift(s);
	if (shift < 0 || v << shift >> shift != v)
		return false;
	*value = v << shift;
	return true;
}

uint64_t
boot_option_number(const char *name, uint64_t fallback)
{
	char buf[BOOT_OPTION_MAX];
	uint64_t value;

	if (boot_option(name, buf, sizeof(buf)) == NULL)
		return fallback;
	if (parse_number(buf, &value))
		return value;
	kprintf("boot: option %s: \"%s\" is not a number, %#lx is used\n", name, buf, fallback);
	return fallback;
}

bool
boot_option_set(const char *name)
{
	char buf[BOOT_OPTION_MAX];

	return boot_option(name, buf, sizeof(buf)) != NULL && strcmp(buf, "0") != 0 &&
	       strcmp(buf, "no") != 0 && strcmp(buf, "off") != 0;
}
