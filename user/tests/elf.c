/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loading programs: a small good image, and what happens to it when one of its numbers is a lie.
 *
 *	offset	0	file header, program headers
 *		0x200	code: exit with EXIT_STATUS          segment 0, R-X, at 0x400000
 *		0x1000	8 bytes of data, then zeroes         segment 1, RW-, at 0x401000
 */
#include <pagoda/archive.h>
#include <pagoda/memory.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/tap.h>

#define EXIT_STATUS 42
#define SLACK	    64

struct file_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct program_header {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

#define CODE_AT 0x200
#define DATA_AT 0x1000

struct image {
	struct file_header file;
	struct program_header segment[3];
	uint8_t gap1[CODE_AT - sizeof(struct file_header) - 3 * sizeof(struct program_header)];
	uint8_t code[16];
	uint8_t gap2[DATA_AT - CODE_AT - 16];
	uint8_t data[8];
};

#define TYPE_EXEC 2
#define TYPE_DYN  3
#define PT_LOAD	  1
#define PT_NOTE	  4
#define PF_X	  1
#define PF_W	  2
#define PF_R	  4

/* movl $SYS_proc_exit, %eax; movl $EXIT_STATUS, %edi; syscall; ud2 */
static const uint8_t exit_code[] = {
    0xb8, 0x13, 0x10, 0, 0, 0xbf, EXIT_STATUS, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x0b,
};

static const struct image good = {
    .file =
	{
	    .ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
	    .type = TYPE_EXEC,
	    .machine = 62,
	    .version = 1,
	    .entry = 0x400000 + CODE_AT,
	    .phoff = sizeof(struct file_header),
	    .ehsize = sizeof(struct file_header),
	    .phentsize = sizeof(struct program_header),
	    .phnum = 3,
	},
    .segment =
	{
	    {PT_LOAD, PF_R | PF_X, 0, 0x400000, 0, 0x300, 0x300, PAGE_SIZE},
	    {PT_LOAD, PF_R | PF_W, DATA_AT, 0x401000, 0, 8, 0x2000, PAGE_SIZE},
	    {.type = PT_NOTE},
	},
};

static struct image image;

static void
make_image(void)
{
	image = good;
	memcpy(image.code, exit_code, sizeof exit_code);
}

static int64_t
load(handle_t proc, const void *bytes, size_t size, struct proc_entry *entry)
{
	static const char *const argv[] = {"image", NULL};
	struct proc_args args = {ADDR(argv), 0};

	return proc_load(proc, bytes, size, &args, entry);
}

static void
run_loaded(handle_t proc, const struct proc_entry *entry)
{
	struct thread_regs regs = {.rip = entry->rip, .rsp = entry->rsp, .rflags = 0x200};
	struct proc_status status = {0};

	REQUIRE_EQ(spawn_run(proc, &regs), 0);
	REQUIRE_EQ(wait_for(proc, &status), 0);
	EXPECT_EQ(status.how, PROC_EXITED);
	EXPECT_EQ(status.value, EXIT_STATUS);
}

static void
load_and_run(void)
{
	struct proc_entry entry;
	int64_t proc = proc_create("image", 0);

	REQUIRE(proc > 0);
	REQUIRE_EQ(load((handle_t)proc, &image, sizeof image, &entry), 0);
	run_loaded((handle_t)proc, &entry);
}

static void
good_static(void)
{
	make_image();
	load_and_run();
}

static void
good_pie(void)
{
	make_image();
	image.file.type = TYPE_DYN;
	image.file.entry -= 0x400000;
	image.segment[0].vaddr = 0;
	image.segment[1].vaddr = 0x1000;
	load_and_run();
}

static void
segments_as_asked(void)
{
	struct proc_entry entry;
	struct vm_region r;
	uint8_t bytes[16] = {0};
	int64_t proc = proc_create("image", 0);

	make_image();
	memset(image.data, 0x5a, sizeof image.data);
	REQUIRE(proc > 0);
	REQUIRE_EQ(load((handle_t)proc, &image, sizeof image, &entry), 0);
	REQUIRE_EQ(vm_query((handle_t)proc, 0x400000, &r), 0);
	EXPECT_EQ(r.start, 0x400000);
	EXPECT_EQ(r.prot, PROT_RX);
	REQUIRE_EQ(vm_query((handle_t)proc, 0x401000, &r), 0);
	EXPECT_EQ(r.prot, PROT_RW);
	EXPECT_EQ(r.end, 0x403000);
	REQUIRE_EQ(vm_read((handle_t)proc, 0x401000, bytes, sizeof bytes), sizeof bytes);
	EXPECT_EQ(bytes[7], 0x5a);
	EXPECT_EQ(bytes[8], 0);
	EXPECT_EQ(entry.rip, 0x400000 + CODE_AT);
	EXPECT_EQ(entry.rsp % 16, 0);
	EXPECT_EQ(vm_protect((handle_t)proc, 0x400000, PAGE_SIZE, PROT_ALL, 0), -EACCES);
}

/* ---- Lies ---- */

#define FILE_FIELD(f) offsetof(struct file_header, f), sizeof(good.file.f)
#define SEGMENT(n, f)                                                           \
	offsetof(struct image, segment) + (n) * sizeof(struct program_header) + \
	    offsetof(struct program_header, f),                                 \
	    sizeof(good.segment[0].f)

static const struct lie {
	const char *what;
	size_t offset, width;
	uint64_t value;
} lies[] = {
    {"no magic number", 0, 1, 0},
    {"32-bit class", 4, 1, 1},
    {"big-endian", 5, 1, 2},
    {"format version 0", 6, 1, 0},
    {"no type", FILE_FIELD(type), 0},
    {"an object file", FILE_FIELD(type), 1},
    {"a core file", FILE_FIELD(type), 4},
    {"another processor", FILE_FIELD(machine), 3},
    {"version 2", FILE_FIELD(version), 2},
    {"entry 0", FILE_FIELD(entry), 0},
    {"entry in data", FILE_FIELD(entry), 0x401000},
    {"entry behind the code", FILE_FIELD(entry), 0x400300},
    {"entry in the kernel", FILE_FIELD(entry), 0xffffffff80000000ul},
    {"entry no address", FILE_FIELD(entry), 0x8000000000000000ul},
    {"headers at the end", FILE_FIELD(phoff), sizeof(struct image)},
    {"headers behind the end", FILE_FIELD(phoff), 1ul << 40},
    {"headers wrap", FILE_FIELD(phoff), -8ul},
    {"headers almost wrap", FILE_FIELD(phoff), -168ul},
    {"headers in the data", FILE_FIELD(phoff), DATA_AT - 8},
    {"small file header", FILE_FIELD(ehsize), 52},
    {"small program headers", FILE_FIELD(phentsize), 32},
    {"program headers of no size", FILE_FIELD(phentsize), 0},
    {"no program headers", FILE_FIELD(phnum), 0},
    {"65535 program headers", FILE_FIELD(phnum), 0xffff},
    {"one header that is no segment", FILE_FIELD(phoff), 64 + 2 * 56},
    {"an interpreter", SEGMENT(2, type), 3},
    {"code writable", SEGMENT(0, flags), 7},
    {"unknown flags", SEGMENT(0, flags), 0x85},
    {"code not executable", SEGMENT(0, flags), 4},
    {"segment behind the file", SEGMENT(1, offset), 0x100000},
    {"segment's offset wraps", SEGMENT(1, offset), -0x1000ul},
    {"segment's bytes behind the file", SEGMENT(1, filesz), 0x1000},
    {"segment's bytes wrap", SEGMENT(1, filesz), -1ul},
    {"more bytes in the file than in memory", SEGMENT(1, memsz), 4},
    {"segment in the lowest pages", SEGMENT(0, vaddr), 0},
    {"segment in the lowest 64 KiB", SEGMENT(0, vaddr), 0xf000},
    {"segment in the kernel", SEGMENT(1, vaddr), 0xffffffff80000000ul},
    {"segment no address", SEGMENT(1, vaddr), 0x8000000000001000ul},
    {"segment over the end of user space", SEGMENT(1, vaddr), 0x00007fffffffe000ul},
    {"segment over the end of memory", SEGMENT(1, vaddr), -0x1000ul},
    {"segment's size wraps", SEGMENT(1, memsz), -0x401000ul},
    {"segment's size almost wraps", SEGMENT(1, memsz), -1ul},
    {"segment as large as user space", SEGMENT(1, memsz), 0x00007fffff000000ul},
    {"segments overlap", SEGMENT(1, vaddr), 0x400000},
    {"first segment over the second", SEGMENT(0, memsz), 0x2000},
    {"segments out of order", SEGMENT(1, vaddr), 0x300000},
    {"alignment no power of two", SEGMENT(1, align), 0x1800},
    {"address and offset disagree", SEGMENT(1, vaddr), 0x402008},
};

static void
expect_refused(handle_t proc, const void *bytes, size_t size, const char *what)
{
	struct proc_entry entry;
	struct vm_region r;
	int64_t result = load(proc, bytes, size, &entry);
	char text[96];

	snprintf(text, sizeof text, "%s is refused, result %ld", what, result);
	tap_check(result == -ENOEXEC || result == -EINVAL || result == -ENOMEM, text, __FILE__,
		  __LINE__);
	EXPECT_EQ(vm_query(proc, 0, &r), -ENOENT);
}

static void
tell_lies(handle_t proc)
{
	for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
		make_image();
		memcpy((char *)&image + lies[i].offset, &lies[i].value, lies[i].width);
		expect_refused(proc, &image, sizeof image, lies[i].what);
	}
}

static void
hostile(void)
{
	struct system_info before;
	struct proc_entry entry;
	int64_t proc = proc_create("hostile", 0);

	REQUIRE(proc > 0);
	tell_lies((handle_t)proc);
	tap_counts(&before);
	tell_lies((handle_t)proc);
	tap_no_leak(&before, SLACK);
	make_image();
	REQUIRE_EQ(load((handle_t)proc, &image, sizeof image, &entry), 0);
	run_loaded((handle_t)proc, &entry);
}

static void
truncated(void)
{
	static const size_t sizes[] = {
	    0, 1, 16, 63, 64, 65, 64 + 56, 64 + 3 * 56 - 1, 0x200, 0x2ff, DATA_AT, DATA_AT + 7};
	int64_t proc = proc_create("truncated", 0);

	make_image();
	REQUIRE(proc > 0);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		expect_refused((handle_t)proc, &image, sizes[i], "a part of a file");
	}
	handle_close((handle_t)proc);
}

static void
pie_out_of_space(void)
{
	int64_t proc = proc_create("far", 0);

	make_image();
	image.file.type = TYPE_DYN;
	image.segment[1].vaddr = 0x00007ffffffe0000ul;
	image.segment[1].memsz = 0x10000;
	REQUIRE(proc > 0);
	expect_refused((handle_t)proc, &image, sizeof image, "a segment moved out of user space");
	handle_close((handle_t)proc);
}

#define FLIPS 1500

/* Whatever the bytes are: loaded or refused, and nothing is lost either way. */
static void
random_bytes(void)
{
	struct system_info before = {0};
	uint64_t random = 20261121;
	unsigned loaded = 0;

	for (int i = 0; i < FLIPS; i++) {
		struct proc_entry entry;

		if (i == 100) {
			tap_counts(&before);
		}
		int64_t proc = proc_create("random", 0);
		REQUIRE(proc > 0);
		make_image();
		for (uint64_t n = random_next(&random) % 4; n-- > 0;) {
			uint64_t at = random_next(&random) % (64 + 3 * 56);

			((uint8_t *)&image)[at] = (uint8_t)random_next(&random);
		}
		int64_t result = load((handle_t)proc, &image, sizeof image, &entry);
		loaded += result == 0;
		EXPECT(result == 0 || result == -ENOEXEC || result == -EINVAL || result == -ENOMEM);
		handle_close((handle_t)proc);
	}
	EXPECT(loaded > 0 && loaded < FLIPS);
	tap_no_leak(&before, SLACK);
}

static void
unreadable(void)
{
	struct proc_entry entry;
	int64_t proc = proc_create("unreadable", 0);
	uint64_t area = ADDR(map_pages(2 * PAGE_SIZE, PROT_RW));

	REQUIRE(proc > 0 && area != 0);
	make_image();
	memcpy((void *)area, &image, sizeof image);
	unmap_pages((void *)(area + PAGE_SIZE), PAGE_SIZE);
	int64_t result = load((handle_t)proc, (void *)area, sizeof image, &entry);
	EXPECT(result == -EFAULT || result == -ENOEXEC);
	handle_close((handle_t)proc);
}

/* loaded_again: the second load takes away what the first one mapped; a process with a thread is not
 * loaded at all. */
static void
loaded_again(void)
{
	struct proc_entry entry;
	int64_t proc = proc_create("again", 0);

	make_image();
	REQUIRE(proc > 0);
	REQUIRE_EQ(load((handle_t)proc, &image, sizeof image, &entry), 0);
	REQUIRE(vm_map((handle_t)proc, 0x70000000, PAGE_SIZE,
		       VM_MAP_ARGS(PROT_READ, PROT_READ, VM_MAP_FLAG_FIXED), 0, 0) == 0x70000000);
	EXPECT_EQ(load((handle_t)proc, &image, sizeof image, &entry), 0);
	EXPECT(vm_read((handle_t)proc, 0x70000000, &entry, 1) < 0);
	EXPECT_EQ(load(HANDLE_SELF, &image, sizeof image, &entry), -EBUSY);
	run_loaded((handle_t)proc, &entry);
}

static void
archive_programs(void)
{
	struct archive_file file;
	uint64_t cursor = 0;
	int count = 0;

	while (archive_next(&cursor, &file)) {
		struct proc_entry entry;
		int64_t proc = proc_create("archive", 0);

		REQUIRE(proc > 0);
		EXPECT_EQ(load((handle_t)proc, file.data, file.size, &entry), 0);
		EXPECT_EQ(handle_close((handle_t)proc), 0);
		count++;
	}
	EXPECT(count > 5);
}

static const struct tap_test tests[] = {
    {"a static image runs", good_static},
    {"a position-independent image runs", good_pie},
    {"segments have their bytes, zeroes and rights", segments_as_asked},
    {"an image with a lie is refused, nothing stays, and a good one still loads", hostile},
    {"a part of an image is refused", truncated},
    {"a position-independent image that would leave user space is refused", pie_out_of_space},
    {"an image of random bytes is loaded or refused, and nothing is lost", random_bytes},
    {"an image that cannot be read is refused", unreadable},
    {"a load takes away what was there before; a process with a thread is not loaded",
     loaded_again},
    {"all programs of the archive can be loaded", archive_programs},
};

TAP_MAIN(tests)
