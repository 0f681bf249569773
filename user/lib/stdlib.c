/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers from text, sorting, pseudo-random numbers. */
#include <pagoda/stdlib.h>
#include <pagoda/string.h>

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c |= 'a' - 'A';
	return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

static const char *
skip_prefix(const char *s, int *base)
{
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit_value(s[2]) < 16;

	if (hex && (*base == 0 || *base == 16)) {
		*base = 16;
		return s + 2;
	}
	if (*base == 0) {
		*base = s[0] == '0' ? 8 : 10;
	}
	return s;
}

uint64_t
strtoul(const char *s, char **end, int base)
{
	const char *p = skip_prefix(s, &base);
	uint64_t value = 0;
	bool too_large = false;

	for (int digit; (digit = digit_value(*p)) < base; p++) {
		too_large |= __builtin_mul_overflow(value, (uint64_t)base, &value);
		too_large |= __builtin_add_overflow(value, (uint64_t)digit, &value);
	}
	if (end != NULL) {
		*end = (char *)(uintptr_t)p;
	}
	return too_large ? UINT64_MAX : value;
}

static int
suffix_shift(char c)
{
	switch (c) {
	case 'K':
	case 'k':
		return 10;
	case 'M':
	case 'm':
		return 20;
	case 'G':
	case 'g':
		return 30;
	default:
		return 0;
	}
}

bool
parse_number(const char *s, uint64_t *value)
{
	char *end;
	uint64_t number = strtoul(s, &end, 0);
	int shift = suffix_shift(*end);

	if (end == s || end[shift > 0 ? 1 : 0] != '\0' || number > UINT64_MAX >> shift) {
		return false;
	}
	*value = number << shift;
	return true;
}

static void
swap_bytes(char *a, char *b, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		char c = a[i];

		a[i] = b[i];
		b[i] = c;
	}
}

/* Let element `root` of the heap of `count` elements sink to where it belongs. */
static void
sift_down(char *base, size_t root, size_t count, size_t size,
	  int (*compare)(const void *, const void *))
{
	for (size_t child; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count &&
		    compare(base + child * size, base + (child + 1) * size) < 0) {
			child++;
		}
		if (compare(base + root * size, base + child * size) >= 0) {
			return;
		}
		swap_bytes(base + root * size, base + child * size, size);
	}
}

void
qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	for (size_t i = count / 2; i-- > 0;) {
		sift_down(base, i, count, size, compare);
	}
	for (size_t last = count; last-- > 1;) {
		swap_bytes(base, (char *)base + last * size, size);
		sift_down(base, 0, last, size, compare);
	}
}

uint64_t
random_next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}
