/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a ustar image.
 *
 *	| header 512 | data, padded to 512 | header | data | ... | zeroes |
 *
 * Numbers are octal text.  Nothing is trusted: each header has a checksum, and a size is compared
 * with what is left of the image before it is used.
 */
#include <stdint.h>
#include "kernel/archive.h"
#include "kernel/base/string.h"

#define BLOCK 512

struct ustar_header {
	char name[100];
	char mode[8], uid[8], gid[8];
	char size[12], mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[6], version[2];
	char owner[32], group[32], major[8], minor[8];
	char prefix[155];
	char unused[12];
};

_Static_assert(sizeof(struct ustar_header) == BLOCK, "a header is one block");

#define TYPE_FILE     '0'
#define TYPE_FILE_OLD '\0'

/* A place in an image. */
struct cursor {
	const char *image;
	size_t size, at;
	const struct ustar_header *header; /* of the file found */
	size_t length;			   /* of its data, which follows the header */
	const char *damage;		   /* why there is no next file, NULL at the end */
};

static uint64_t
octal(const char *field, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n && field[i] >= '0' && field[i] <= '7'; i++)
		value = value << 3 | (uint64_t)(field[i] - '0');
	return value;
}

/* header_sum: of all bytes, those of the sum itself taken as blanks. */
static uint64_t
header_sum(const struct ustar_header *h)
{
	const size_t first = offsetof(struct ustar_header, checksum);
	const uint8_t *bytes = (const uint8_t *)h;
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(*h); i++)
		sum += i - first < sizeof(h->checksum) ? ' ' : bytes[i];
	return sum;
}

static bool
is_file(const struct ustar_header *h)
{
	return h->type == TYPE_FILE || h->type == TYPE_FILE_OLD;
}

/* next_header: go to the next header, whatever it is for; false at the end or at damage. */
static bool
next_header(struct cursor *c)
{
	const struct ustar_header *h = (const void *)(c->image + c->at);

	if (c->size - c->at < BLOCK || h->name[0] == '\0')
		return false;
	c->damage = "a header without the ustar mark";
	if (memcmp(h->magic, "ustar", 5) != 0)
		return false;
	c->damage = "a header with a wrong checksum";
	if (header_sum(h) != octal(h->checksum, sizeof(h->checksum)))
		return false;
	c->damage = "a file that is longer than the archive";
	c->length = octal(h->size, sizeof(h->size));
	c->at += BLOCK;
	if (c->length > c->size - c->at)
		return false;
	c->damage = NULL;
	c->header = h;
	c->at += (c->length + BLOCK - 1) / BLOCK * BLOCK;
	if (c->at > c->size)
		c->at = c->size;
	return true;
}

static bool
next_file(struct cursor *c)
{
	while (next_header(c)) {
		if (is_file(c->header))
			return true;
	}
	return false;
}

const char *
archive_check(const void *image, size_t size)
{
	struct cursor c = {.image = image, .size = size};
	size_t files = 0;

	while (next_file(&c))
		files++;
	return c.damage == NULL && files == 0 ? "no file in it" : c.damage;
}

/* skip_field: if path goes on with the text in field (of at most n bytes), skip it; else NULL. */
static const char *
skip_field(const char *path, const char *field, size_t n)
{
	size_t length = strnlen(field, n);

	return strncmp(path, field, length) == 0 ? path + length : NULL;
}

/* has_path: is this the header of path?  Long names are split into prefix, a slash, and name. */
static bool
has_path(const struct ustar_header *h, const char *path)
{
	if (h->prefix[0] != '\0') {
		path = skip_field(path, h->prefix, sizeof(h->prefix));
		if (path == NULL || *path++ != '/')
			return false;
	}
	path = skip_field(path, h->name, sizeof(h->name));
	return path != NULL && *path == '\0';
}

bool
archive_find(const void *image, size_t size, const char *path, const void **data, size_t *length)
{
	struct cursor c = {.image = image, .size = size};

	while (next_file(&c)) {
		if (has_path(c.header, path)) {
			*data = c.header + 1;
			*length = c.length;
			return true;
		}
	}
	return false;
}
