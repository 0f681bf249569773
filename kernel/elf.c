/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checking ELF64 files.
 *
 * The file is taken for hostile.  Every number that comes from it is compared with a bound before it
 * is used in a sum, so that no sum wraps; segments must be in ascending order and share no page.
 * What is accepted:
 *
 *	ET_EXEC		static, at the addresses it names
 *	ET_DYN		static and position-independent, at ELF_PIE_BASE; it relocates itself
 *
 * An image that asks for an interpreter, and a segment that could be written and executed, are
 * refused.
 */
#include <machine/copy.h>
#include "kernel/base/string.h"
#include "kernel/elf.h"
#include "vm/vm_map.h"

#define ELF_PIE_BASE 0x10000000ul

#define ELF_MAGIC	   "\177ELF\2\1\1" /* 64-bit, little-endian, version 1 */
#define ELF_MAGIC_BYTES	   7
#define ELF_TYPE_EXEC	   2
#define ELF_TYPE_DYN	   3
#define ELF_MACHINE_X86_64 62

#define PT_LOAD	  1
#define PT_INTERP 3

#define PF_X 1
#define PF_W 2
#define PF_R 4

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_phdr {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

_Static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_phdr) == 56,
	       "the layouts are those of the file");

static bool
read_kernel(const struct elf_source *s, size_t offset, void *to, size_t n)
{
	memcpy(to, (const char *)s->image + offset, n);
	return true;
}

static bool
read_user(const struct elf_source *s, size_t offset, void *to, size_t n)
{
	return copyin((const void *)((uintptr_t)s->image + offset), to, n);
}

struct elf_source
elf_source_kernel(const void *image, size_t size)
{
	return (struct elf_source){.read = read_kernel, .image = image, .size = size};
}

struct elf_source
elf_source_user(const void *uaddr, size_t size)
{
	return (struct elf_source){.read = read_user, .image = uaddr, .size = size};
}

/* check_header: the file header, as far as it can be judged alone. */
static const char *
check_header(const struct elf_source *s, const struct elf_header *h)
{
	if (memcmp(h->ident, ELF_MAGIC, ELF_MAGIC_BYTES) != 0)
		return "not a 64-bit little-endian ELF file";
	if (h->machine != ELF_MACHINE_X86_64 || h->version != 1)
		return "not for this processor";
	if (h->type != ELF_TYPE_EXEC && h->type != ELF_TYPE_DYN)
		return "not a program";
	if (h->ehsize != sizeof(*h) || h->phentsize != sizeof(struct elf_phdr))
		return "headers of an unknown size";
	if (h->phnum == 0 || h->phnum > ELF_MAX_HEADERS)
		return "no program headers, or too many";
	if (h->phoff % sizeof(uint64_t) != 0 || h->phoff > s->size ||
	    h->phnum * sizeof(struct elf_phdr) > s->size - h->phoff)
		return "program headers outside the file";
	return NULL;
}

/* check_segment: a PT_LOAD header, as far as it can be judged alone. */
static const char *
check_segment(const struct elf_source *s, const struct elf_phdr *ph)
{
	if (ph->filesz > ph->memsz)
		return "a segment with more bytes in the file than in memory";
	if (ph->offset > s->size || ph->filesz > s->size - ph->offset)
		return "a segment outside the file";
	if (ph->vaddr >= VM_MAX_USER_ADDRESS || ph->memsz > VM_MAX_USER_ADDRESS - ph->vaddr)
		return "a segment outside user space";
	if (ph->align > 1 &&
	    ((ph->align & (ph->align - 1)) != 0 || (ph->vaddr - ph->offset) % ph->align != 0))
		return "a segment that is not aligned as it says";
	if ((ph->flags & ~(uint32_t)(PF_R | PF_W | PF_X)) != 0)
		return "a segment with unknown flags";
	if ((ph->flags & PF_W) != 0 && (ph->flags & PF_X) != 0)
		return "a segment that is writable and executable";
	return NULL;
}

static vm_prot_t
segment_prot(uint32_t flags)
{
	return ((flags & PF_R) != 0 ? VM_PROT_READ : 0) |
	       ((flags & PF_W) != 0 ? VM_PROT_WRITE : 0) |
	       ((flags & PF_X) != 0 ? VM_PROT_EXECUTE : 0);
}

/* add_segment: place a checked segment behind those before it. */
static const char *
add_segment(struct elf_image *out, const struct elf_phdr *ph)
{
	vm_offset_t start = out->bias + ph->vaddr;
	struct elf_segment *g = &out->segments[out->segment_count];

	if (ph->memsz > VM_MAX_USER_ADDRESS - start)
		return "a segment outside user space";
	if (out->segment_count == ELF_MAX_SEGMENTS)
		return "too many segments";
	if (trunc_page(start) < vm_min_user_map)
		return "a segment in the lowest addresses, which are never mapped";
	if (out->segment_count > 0 && trunc_page(start) < g[-1].end)
		return "segments that overlap, share a page, or are out of order";
	*g = (struct elf_segment){
	    .start = trunc_page(start),
	    .end = round_page(start + ph->memsz),
	    .file_start = start,
	    .offset = ph->offset,
	    .file_size = ph->filesz,
	    .prot = segment_prot(ph->flags),
	};
	out->segment_count++;
	return NULL;
}

/* note_headers: if this segment holds the program headers, they will be found in memory. */
static void
note_headers(struct elf_image *out, const struct elf_header *h, const struct elf_phdr *ph)
{
	uint64_t bytes = (uint64_t)h->phnum * h->phentsize;

	if (h->phoff >= ph->offset && h->phoff - ph->offset <= ph->filesz &&
	    bytes <= ph->filesz - (h->phoff - ph->offset))
		out->headers = out->bias + ph->vaddr + (h->phoff - ph->offset);
}

/* parse_program_header: take in the program header at offset. */
static const char *
parse_program_header(const struct elf_source *s, const struct elf_header *h, size_t offset,
		     struct elf_image *out)
{
	struct elf_phdr ph;
	const char *why;

	if (!s->read(s, offset, &ph, sizeof(ph)))
		return "it cannot be read";
	if (ph.type == PT_INTERP)
		return "it needs an interpreter: link it statically";
	if (ph.type != PT_LOAD || ph.memsz == 0)
		return NULL;
	why = check_segment(s, &ph);
	if (why == NULL)
		why = add_segment(out, &ph);
	if (why == NULL)
		note_headers(out, h, &ph);
	return why;
}

/* entry_is_code: does the program start in an executable segment? */
static bool
entry_is_code(const struct elf_image *image)
{
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct elf_segment *g = &image->segments[i];

		if ((g->prot & VM_PROT_EXECUTE) != 0 && image->entry >= g->file_start &&
		    image->entry - g->file_start < g->file_size)
			return true;
	}
	return false;
}

const char *
elf_parse(const struct elf_source *s, struct elf_image *out)
{
	struct elf_header h;
	const char *why;

	memset(out, 0, sizeof(*out));
	if (s->size < sizeof(h))
		return "shorter than an ELF header";
	if (!s->read(s, 0, &h, sizeof(h)))
		return "it cannot be read";
	why = check_header(s, &h);
	if (h.type == ELF_TYPE_DYN)
		out->bias = ELF_PIE_BASE;
	for (unsigned i = 0; why == NULL && i < h.phnum; i++)
		why = parse_program_header(s, &h, h.phoff + i * sizeof(struct elf_phdr), out);
	if (why != NULL)
		return why;
	out->header_count = h.phnum;
	out->header_size = h.phentsize;
	if (out->segment_count == 0)
		return "nothing to load";
	if (h.entry >= VM_MAX_USER_ADDRESS)
		return "an entry outside user space";
	out->entry = out->bias + h.entry;
	return entry_is_code(out) ? NULL : "an entry that is not code";
}
