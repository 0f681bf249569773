/* SPDX-License-Identifier: BSD-2-Clause */
/* The user library: text, numbers, sorting, the heap, the archive reader. */
#include <pagoda/archive.h>
#include <pagoda/memory.h>
#include <pagoda/process.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

static char text[256];

static void
expect_text(const char *expected)
{
	if (!EXPECT(strcmp(text, expected) == 0)) {
		tap_note("expected \"%s\" got \"%s\"", expected, text);
	}
}

#define FORMATTED(expected, ...)                                                       \
	do {                                                                           \
		EXPECT_EQ(snprintf(text, sizeof text, __VA_ARGS__), strlen(expected)); \
		expect_text(expected);                                                 \
	} while (0)

static void
formats(void)
{
	FORMATTED("plain %", "plain %%");
	FORMATTED("-5|5|+5| 5", "%d|%i|%+d|% d", -5, 5, 5, 5);
	FORMATTED("-9223372036854775808", "%ld", INT64_MIN);
	FORMATTED("18446744073709551615", "%lu", UINT64_MAX);
	FORMATTED("ff|FF|0xff|0XFF|377|0", "%x|%X|%#x|%#X|%o|%#x", 255, 255, 255, 255, 255, 0);
	FORMATTED("    7|7    |00007|  007", "%5d|%-5d|%05d|%5.3d", 7, 7, 7, 7);
	FORMATTED("-0007|0x0a", "%05d|%#04x", -7, 10);
	FORMATTED("a|  b|c  |de", "%c|%3s|%-3s|%.2s", 'a', "b", "c", "def");
	FORMATTED("    9|9    |abc", "%*d|%*d|%.*s", 5, 9, -5, 9, 3, "abcdef");
	FORMATTED("0x1234", "%p", (void *)0x1234);
	FORMATTED("-1|65535|255", "%hhd|%hu|%hhu", (signed char)255, (unsigned short)65535,
		  (unsigned char)255);
	FORMATTED("12|34|56", "%zu|%jd|%td", (size_t)12, (int64_t)34, (ptrdiff_t)56);
}

static void
cut_off(void)
{
	memset(text, '#', sizeof text);
	EXPECT_EQ(snprintf(text, 4, "%s", "abcdef"), 6);
	EXPECT_EQ(memcmp(text, "abc\0#", 5), 0);
	EXPECT_EQ(snprintf(text, 0, "x"), 1);
	EXPECT_EQ(text[0], 'a');
	EXPECT_EQ(snprintf(text, 1, "x"), 1);
	EXPECT_EQ(text[0], '\0');
}

static void
bytes(void)
{
	uint8_t from[64], to[64];

	for (unsigned i = 0; i < sizeof from; i++) {
		from[i] = (uint8_t)i;
	}
	for (unsigned n = 0; n < 40; n++) {
		memset(to, 0xee, sizeof to);
		EXPECT(memcpy(to + 1, from + 3, n) == to + 1);
		EXPECT_EQ(memcmp(to + 1, from + 3, n), 0);
		EXPECT_EQ(to[0], 0xee);
		EXPECT_EQ(to[n + 1], 0xee);
		memset(to + 1, 7, n);
		EXPECT(n == 0 || (to[1] == 7 && to[n] == 7));
		EXPECT_EQ(to[n + 1], 0xee);
	}
	for (int distance = -9; distance <= 9; distance++) {
		memcpy(to, from, sizeof to);
		memmove(to + 20 + distance, to + 20, 20);
		EXPECT_EQ(memcmp(to + 20 + distance, from + 20, 20), 0);
	}
	EXPECT(memchr(from, 5, sizeof from) == from + 5 && memchr(from, 99, 64) == NULL);
	EXPECT(memcmp(from + 1, from + 2, 1) < 0 && memcmp(from + 2, from + 1, 1) > 0);
}

static void
strings(void)
{
	char buffer[4];
	const char *s = "pagoda", *abc = "abc", *abd = "abd", *none = "";

	EXPECT_EQ(strlen(s), 6);
	EXPECT_EQ(strnlen(s, 3), 3);
	EXPECT(strcmp(abc, abd) < 0 && strcmp(abc, none) > 0 && strcmp(none, "") == 0);
	EXPECT(strncmp(abc, abd, 2) == 0 && strncmp(abc, abd, 3) < 0);
	EXPECT(strchr(s, 'g') == s + 2 && strchr(s, 'x') == NULL && strchr(s, 0) == s + 6);
	EXPECT(strrchr(s, 'a') == s + 5 && strrchr(s, 'x') == NULL);
	EXPECT(strstr(s, "od") == s + 3 && strstr(s, "xx") == NULL && strstr(s, "") == s);
	EXPECT_EQ(strlcpy(buffer, s, sizeof buffer), 6);
	EXPECT_EQ(strcmp(buffer, "pag"), 0);
}

static void
numbers(void)
{
	uint64_t value = 0;
	char *end;

	EXPECT_EQ(strtoul("42x", &end, 10), 42);
	EXPECT_EQ(*end, 'x');
	EXPECT_EQ(strtoul("0x1F", NULL, 0), 31);
	EXPECT_EQ(strtoul("017", NULL, 0), 15);
	EXPECT_EQ(strtoul("0x", &end, 0), 0);
	EXPECT_EQ(*end, 'x');
	EXPECT_EQ(strtoul("zz", NULL, 36), 35 * 36 + 35);
	EXPECT_EQ(strtoul("18446744073709551615", NULL, 10), UINT64_MAX);
	EXPECT_EQ(strtoul("18446744073709551616", NULL, 10), UINT64_MAX);
	EXPECT(parse_number("4K", &value) && value == 4096);
	EXPECT(parse_number("0x10", &value) && value == 16);
	EXPECT(!parse_number("", &value) && !parse_number("4x", &value));
	EXPECT(!parse_number("4KK", &value) && !parse_number("99999999999G", &value));
}

static int
compare_words(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
sorting(void)
{
	uint64_t words[257], random = 1;

	for (size_t count = 0; count < 257; count += 16) {
		for (size_t i = 0; i < count; i++) {
			words[i] = random_next(&random) % 100;
		}
		qsort(words, count, sizeof words[0], compare_words);
		for (size_t i = 1; i < count; i++) {
			EXPECT(words[i - 1] <= words[i]);
		}
	}
}

/* ---- The heap ---- */

#define BLOCKS 200

static void
heap_stress(void *arg)
{
	static const size_t largest[] = {64, 1000, 10000, 60000};
	uint64_t random = ADDR(arg);
	uint8_t *blocks[BLOCKS] = {0};
	size_t sizes[BLOCKS] = {0};

	for (int round = 0; round < 1500; round++) {
		size_t i = random_next(&random) % BLOCKS;
		size_t size = random_next(&random) % largest[random_next(&random) % 4] + 1;
		size_t kept = size < sizes[i] ? size : sizes[i];

		blocks[i] = realloc(blocks[i], size);
		REQUIRE(blocks[i] != NULL);
		EXPECT_EQ(ADDR(blocks[i]) % 16, 0);
		EXPECT(kept == 0 || (blocks[i][0] == i && blocks[i][kept - 1] == i));
		memset(blocks[i], (int)i, size);
		sizes[i] = size;
		if (round % 3 == 0) {
			free(blocks[i]);
			blocks[i] = NULL;
			sizes[i] = 0;
		}
	}
	for (size_t i = 0; i < BLOCKS; i++) {
		free(blocks[i]);
	}
}

static void
heap(void)
{
	heap_stress((void *)7);
}

static void
heap_by_threads(void)
{
	struct user_thread threads[3];

	for (uint64_t i = 0; i < 3; i++) {
		REQUIRE_EQ(thread_start(&threads[i], heap_stress, (void *)(i + 1), 0), 0);
	}
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(thread_join(&threads[i]), 0);
	}
}

static void
heap_limits(void)
{
	uint8_t *p = malloc(1000);

	memset(p, 0xff, 1000);
	free(p);
	p = calloc(10, 100);
	for (int i = 0; i < 1000; i++) {
		EXPECT_EQ(p[i], 0);
	}
	free(p);
	free(NULL);
	p = malloc(0);
	EXPECT(p != NULL);
	free(p);
	p = malloc(SIZE_MAX);
	EXPECT(p == NULL);
	p = malloc(1ul << 45);
	EXPECT(p == NULL);
	p = calloc(SIZE_MAX / 2, 4);
	EXPECT(p == NULL);
}

/* Through a pointer, or the compiler and the checkers see it coming. */
static void (*volatile release)(void *) = free;

static void
free_twice(void *p)
{
	release(p);
	release(p);
}

static void
double_free(void)
{
	struct proc_status status = tap_run(free_twice, malloc(100));

	EXPECT_EQ(status.how, PROC_FAULTED);
	EXPECT_EQ(status.value, FAULT_ILLEGAL);
}

/* ---- The archive ---- */

static void
archive_read(void)
{
	struct archive_file file;

	EXPECT(archive_find("bin/hello", &file));
	EXPECT(file.size > 64 && memcmp(file.data, "\177ELF", 4) == 0);
	EXPECT(archive_find("hello", &file));
	EXPECT_EQ(strcmp(file.path, "bin/hello"), 0);
	EXPECT(archive_find("init", &file));
	EXPECT(!archive_find("bin/", &file) && !archive_find("", &file));
}

/* Any byte of a header may lie: the reader stays inside the image. */
static void
archive_damaged(void)
{
	struct archive_file file;
	uint64_t cursor = 0, random = 3;
	uint8_t *image = map_pages(2 * PAGE_SIZE, PROT_RW);

	REQUIRE(image != NULL && archive_next(&cursor, &file));
	unmap_pages(image + PAGE_SIZE, PAGE_SIZE);
	for (int i = 0; i < 2000; i++) {
		memcpy(image, (const uint8_t *)file.data - 512, PAGE_SIZE);
		image[random_next(&random) % 512] = (uint8_t)random_next(&random);
		cursor = 0;
		EXPECT(!ustar_next(image, random_next(&random) % PAGE_SIZE, &cursor, &file) ||
		       cursor <= PAGE_SIZE);
	}
}

static const struct tap_test tests[] = {
    {"printf formats as ISO C says", formats},
    {"snprintf cuts off and tells the whole length", cut_off},
    {"memory functions move exactly their bytes", bytes},
    {"string functions find and compare", strings},
    {"numbers are read with their base, suffix and overflow", numbers},
    {"qsort sorts", sorting},
    {"the heap keeps data apart", heap},
    {"three threads share the heap", heap_by_threads},
    {"the heap refuses what cannot be and zeroes what calloc gives", heap_limits},
    {"freeing twice ends the program", double_free},
    {"files of the archive are found", archive_read},
    {"a damaged archive is never read beyond its end", archive_damaged},
};

TAP_MAIN(tests)
