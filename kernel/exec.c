/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From an ELF image to an address space that is ready to run.
 *
 *	64 KiB					      user space ends
 *	|  segments ...        (mappings)      ... | reserve | stack | 
 *	                                            <-- exec_maxssiz -->
 *
 * A segment is mapped readable and writable, filled, and then given its own protection; nothing
 * runs in the process meanwhile.  Pages reach the process through the direct map (vm_access), so no
 * temporary mapping is needed and nothing of the image needs to stay.
 *
 * The stack's reservation has the same size whatever LIMIT_STACK is, which bounds growth only: a
 * limit raised later finds the addresses free.
 */
#include <machine/registers.h>
#include <pagoda/auxv.h>
#include <pagoda/errno.h>
#include "kernel/base/mutex.h"
#include "kernel/base/panic.h"
#include "kernel/base/print.h"
#include "kernel/elf.h"
#include "kernel/errors.h"
#include "kernel/exec.h"
#include "kernel/exec_args.h"
#include "kernel/proc.h"
#include "kernel/vm_access.h"
#include "vm/vm_proc.h"
#include "vm/vmspace.h"

#define STACK_RESERVE_MIN (256ul << 10)
#define CPUID_FEATURES	  1

static vm_size_t exec_maxssiz; /* constant after boot */

void
exec_init(vm_size_t maxssiz)
{
	exec_maxssiz = maxssiz;
}

/* ---- Segments ---- */

/* What read_piece needs: where in the image the first byte of the access is. */
struct piece {
	const struct elf_source *source;
	size_t offset;
};

static kern_return_t
read_piece(void *bytes, size_t done, size_t n, void *arg)
{
	const struct piece *p = arg;

	return p->source->read(p->source, p->offset + done, bytes, n) ? KERN_SUCCESS : KERN_FAILURE;
}

/* load_segment: map and fill one segment. */
static kern_return_t
load_segment(vm_map_t map, const struct elf_source *source, const struct elf_segment *g)
{
	struct piece piece = {source, g->offset};
	size_t done;
	kern_return_t kr;

	kr = vm_map_fixed(map, NULL, 0, g->start, g->end - g->start, VM_PROT_RW, VM_PROT_ALL,
			  MAP_CHECK_EXCL);
	if (kr != KERN_SUCCESS)
		return kr;
	kr = vm_access(map, g->file_start, g->file_size, VM_PROT_WRITE, 0, read_piece, &piece,
		       &done);
	if (kr != KERN_SUCCESS)
		return kr;
	return vm_map_protect(map, g->start, g->end, g->prot, FALSE);
}

static kern_return_t
load_segments(vm_map_t map, const struct elf_source *source, const struct elf_image *image)
{
	kern_return_t kr = KERN_SUCCESS;

	for (unsigned i = 0; kr == KERN_SUCCESS && i < image->segment_count; i++)
		kr = load_segment(map, source, &image->segments[i]);
	return kr;
}

/* image_fits: would the segments exceed LIMIT_VMEM? */
static bool
image_fits(struct proc *p, const struct elf_image *image)
{
	struct limit limit;
	vm_size_t size = 0;

	for (unsigned i = 0; i < image->segment_count; i++)
		size += image->segments[i].end - image->segments[i].start;
	proc_limit_get(p, LIMIT_VMEM, &limit);
	return size <= limit.cur;
}

/* ---- Stack ---- */

/* note_stack: the reservation [bottom, top) is the main stack. */
static void
note_stack(struct vmspace *vm, vm_offset_t bottom, vm_offset_t top)
{
	vm_map_entry_t e;

	vm_map_lock(&vm->vm_map);
	if (vm_map_lookup_entry(&vm->vm_map, top - 1, &e)) {
		vm->vm_ssize = atop(e->end - e->start);
		vm->vm_maxsaddr = bottom;
		vm->vm_stacktop = top;
	}
	vm_map_unlock(&vm->vm_map);
}

/* make_stack: the largest reservation that fits below the end of the space. */
static kern_return_t
make_stack(struct vmspace *vm)
{
	vm_offset_t top = vm_map_max(&vm->vm_map);
	kern_return_t kr = KERN_NO_SPACE;

	for (vm_size_t size = exec_maxssiz; kr == KERN_NO_SPACE && size >= STACK_RESERVE_MIN;
	     size = trunc_page(size / 2)) {
		kr = vm_map_stack(&vm->vm_map, top - size, size, VM_PROT_RW, VM_PROT_ALL, 0);
		if (kr == KERN_SUCCESS)
			note_stack(vm, top - size, top);
	}
	return kr;
}

static int
push_args(struct proc *p, struct vmspace *vm, const struct elf_image *image, struct exec_args *args,
	  uint64_t *sp)
{
	const uint64_t aux[][2] = {
	    {AT_PHDR, image->headers},
	    {AT_PHENT, image->header_size},
	    {AT_PHNUM, image->headers == 0 ? 0 : image->header_count},
	    {AT_PAGESZ, PAGE_SIZE},
	    {AT_BASE, 0},
	    {AT_FLAGS, 0},
	    {AT_ENTRY, image->entry},
	    {AT_UID, 0},
	    {AT_EUID, 0},
	    {AT_GID, 0},
	    {AT_EGID, 0},
	    {AT_SECURE, 0},
	    {AT_HWCAP, cpuid(CPUID_FEATURES, 0).edx},
	};

	return exec_args_push(args, &vm->vm_map, vm_map_max(&vm->vm_map), p->name, aux,
			      sizeof(aux) / sizeof(aux[0]), sp);
}

/* ---- The whole ---- */

/* set_loading: p is being filled, or no longer.  0, or EBUSY: it has or had threads, or somebody else
 * fills it. */
static int
set_loading(struct proc *p, bool loading)
{
	int error = 0;

	proc_lock(p);
	if (loading && (p->loading || p->state != PROC_EMBRYO))
		error = EBUSY;
	else
		p->loading = loading;
	proc_unlock(p);
	return error;
}

/* is_used: is anything mapped in vm? */
static bool
is_used(struct vmspace *vm)
{
	bool used;

	vm_map_lock_read(&vm->vm_map);
	used = vm->vm_map.nentries != 0;
	vm_map_unlock_read(&vm->vm_map);
	return used;
}

/* fresh_space: p's space is used (a fork's copy, or an earlier load): exchange it for an empty one. */
static int
fresh_space(struct proc *p)
{
	struct vmspace *old;
	kern_return_t kr = vmspace_exec(p, vm_min_user_map, VM_MAX_USER_ADDRESS, &old);

	if (kr == KERN_SUCCESS)
		vmspace_free(old);
	return kr == KERN_SUCCESS ? 0 : kr == KERN_FAILURE ? ESRCH : ENOMEM;
}

/* empty_space: p's space, empty and with a reference.  0, ESRCH or ENOMEM. */
static int
empty_space(struct proc *p, struct vmspace **vm)
{
	int error;

	*vm = proc_get_space(p);
	if (*vm == NULL)
		return ESRCH;
	if (!is_used(*vm))
		return 0;
	vmspace_free(*vm);
	error = fresh_space(p);
	if (error != 0)
		return error;
	*vm = proc_get_space(p);
	return *vm == NULL ? ESRCH : 0;
}

/* claim: p is ours to fill, in an empty space.  0, EBUSY, ESRCH or ENOMEM; *vm gets a reference. */
static int
claim(struct proc *p, struct vmspace **vm)
{
	int error = set_loading(p, true);

	if (error != 0)
		return error;
	error = empty_space(p, vm);
	if (error != 0) {
		set_loading(p, false);
		return error;
	}
	vm_map_lock(&(*vm)->vm_map);
	(*vm)->vm_map.flags |= VM_MAP_WXORX;
	vm_map_unlock(&(*vm)->vm_map);
	return 0;
}

/* release: loading is over; after a failure nothing of it stays. */
static void
release(struct proc *p, struct vmspace *vm, int error)
{
	vm_map_t map = &vm->vm_map;

	if (error != 0) {
		vm_map_remove(map, vm_map_min(map), vm_map_max(map));
		vm_map_lock(map);
		vm->vm_ssize = 0;
		vm->vm_maxsaddr = vm->vm_stacktop = 0;
		vm_map_unlock(map);
	}
	set_loading(p, false);
	vmspace_free(vm);
}

/* load: everything between claim and release. */
static int
load(struct proc *p, struct vmspace *vm, const struct elf_source *source, struct exec_args *args,
     struct proc_entry *entry)
{
	struct elf_image image;
	const char *why = elf_parse(source, &image);
	kern_return_t kr;

	if (why != NULL) {
		kprintf("exec: image of %s refused: %s\n", p->name, why);
		return ENOEXEC;
	}
	if (!image_fits(p, &image))
		return ENOMEM;
	kr = load_segments(&vm->vm_map, source, &image);
	if (kr == KERN_SUCCESS)
		kr = make_stack(vm);
	if (kr != KERN_SUCCESS)
		return errno_of(kr);
	entry->rip = image.entry;
	return push_args(p, vm, &image, args, &entry->rsp);
}

int
exec_load(struct proc *p, const struct elf_source *source, struct exec_args *args,
	  struct proc_entry *entry)
{
	struct vmspace *vm;
	int error = claim(p, &vm);

	if (error != 0)
		return error;
	error = load(p, vm, source, args, entry);
	release(p, vm, error);
	return error;
}
