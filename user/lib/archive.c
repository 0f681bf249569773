/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the boot archive.  ustar is a row of 512-byte blocks: a header, the file's data, the next
 * header ..., and an all-zero header at the end.  Numbers are octal text.  Nothing in it is
 * trusted: each header's checksum is tested and each size is compared with what is left.
 */
#include <pagoda/archive.h>
#include <pagoda/memory.h>
#include <pagoda/stdio.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>
#include <pagoda/thread.h>

#define BLOCK 512ul

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

_Static_assert(sizeof(struct ustar_header) == BLOCK, "the header is one block");

#define TYPE_FILE     '0'
#define TYPE_FILE_OLD '\0'

static uint64_t
octal(const char *field, size_t length)
{
	uint64_t value = 0;

	for (size_t i = 0; i < length && field[i] >= '0' && field[i] <= '7'; i++) {
		value = value * 8 + (field[i] - '0');
	}
	return value;
}

/* The sum of all bytes, those of the sum itself taken as spaces. */
static bool
header_valid(const struct ustar_header *h)
{
	const uint8_t *bytes = (const uint8_t *)h;
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof *h; i++) {
		bool in_sum = i - offsetof(struct ustar_header, checksum) < sizeof h->checksum;

		sum += in_sum ? ' ' : bytes[i];
	}
	return memcmp(h->magic, "ustar", 5) == 0 && sum == octal(h->checksum, sizeof h->checksum);
}

static void
header_path(const struct ustar_header *h, char *path)
{
	int prefix = (int)strnlen(h->prefix, sizeof h->prefix);
	int name = (int)strnlen(h->name, sizeof h->name);

	snprintf(path, ARCHIVE_PATH_MAX, "%.*s%s%.*s", prefix, h->prefix, prefix > 0 ? "/" : "",
		 name, h->name);
}

bool
ustar_next(const void *image, size_t size, uint64_t *cursor, struct archive_file *file)
{
	while (*cursor + BLOCK <= size) {
		const struct ustar_header *h = (const void *)((const char *)image + *cursor);
		uint64_t data = *cursor + BLOCK;
		uint64_t length = octal(h->size, sizeof h->size);

		if (!header_valid(h) || length > size - data) {
			return false;
		}
		*cursor = data + (length + BLOCK - 1) / BLOCK * BLOCK;
		if (h->type == TYPE_FILE || h->type == TYPE_FILE_OLD) {
			header_path(h, file->path);
			file->data = h + 1;
			file->size = length;
			return true;
		}
	}
	return false;
}

static struct mutex lock = MUTEX_INIT;
static const void *archive; /* guarded by lock, as is archive_size; NULL: not mapped yet */
static size_t archive_size;

static void
archive_map(void)
{
	int64_t size = object_size(HANDLE_BOOT_ARCHIVE);
	uint64_t args = VM_MAP_ARGS(PROT_READ, PROT_READ, VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED);

	if (size <= 0) {
		return;
	}
	int64_t addr = vm_map(HANDLE_SELF, 0, page_round_up(size), args, HANDLE_BOOT_ARCHIVE, 0);
	if (addr >= 0) {
		archive = (const void *)addr;
		archive_size = size;
	}
}

bool
archive_next(uint64_t *cursor, struct archive_file *file)
{
	mutex_lock(&lock);
	if (archive == NULL) {
		archive_map();
	}
	mutex_unlock(&lock);
	return archive != NULL && ustar_next(archive, archive_size, cursor, file);
}

static bool
find_exactly(const char *path, struct archive_file *file)
{
	uint64_t cursor = 0;

	while (archive_next(&cursor, file)) {
		if (strcmp(file->path, path) == 0) {
			return true;
		}
	}
	return false;
}

bool
archive_find(const char *path, struct archive_file *file)
{
	static const char *const folders[] = {"bin", "sbin", "tests"};
	char full[ARCHIVE_PATH_MAX];

	if (strchr(path, '/') != NULL) {
		return find_exactly(path, file);
	}
	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		snprintf(full, sizeof full, "%s/%s", folders[i], path);
		if (find_exactly(full, file)) {
			return true;
		}
	}
	return false;
}
