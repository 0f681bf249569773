/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copy-on-write, made visible: four pages, a fork, a write in the child, a write in the parent, and
 * after each step what the kernel knows of the four pages.
 *
 * A fork copies nothing: both see the same object, and both must copy before they write ("needs
 * copy").  The first write puts an empty shadow object in front and one copied page into it.
 */
#include <pagoda/memory.h>
#include <pagoda/process.h>
#include <pagoda/stdio.h>
#include <pagoda/string.h>

#define PAGES 4

static char *pages;

static void
show(const char *who, const char *when)
{
	struct vm_region r;

	if (!region_at(ADDR(pages), &r)) {
		return;
	}
	printf("%-7s %-34s object %lx: %lu of %u pages in it, %u refs, chain of %u; %lu mapped%s\n",
	       who, when, r.object, r.object_resident, PAGES, r.object_refs, r.chain, r.resident,
	       r.flags & VM_REGION_NEEDS_COPY ? "; needs copy" : "");
}

static int
child(void)
{
	show("child", "after the fork");
	pages[0] = 'c';
	show("child", "has written page 0");
	printf("%-7s reads \"%c%c\"\n", "child", pages[0], pages[PAGE_SIZE]);
	return pages[0] == 'c' && pages[PAGE_SIZE] == 'p' ? 0 : 1;
}

static int
parent(handle_t forked)
{
	struct proc_status status;

	show("parent", "after the fork");
	if (wait_for(forked, &status) != 0) {
		return 1;
	}
	show("parent", "child is gone");
	pages[PAGE_SIZE] = 'P';
	show("parent", "has written page 1");
	printf("%-7s reads \"%c%c\"\n", "parent", pages[0], pages[PAGE_SIZE]);
	return status.how == PROC_EXITED ? status.value : 1;
}

int
main(void)
{
	pages = map_pages(PAGES * PAGE_SIZE, PROT_RW);
	if (pages == NULL) {
		puts("forkdemo: no memory");
		return 1;
	}
	show("parent", "has mapped");
	for (int i = 0; i < PAGES; i++) {
		pages[i * PAGE_SIZE] = 'p';
	}
	show("parent", "has written all pages");
	handle_t forked = fork();
	if (forked < 0) {
		printf("forkdemo: fork: %s\n", strerror(forked));
		return 1;
	}
	return forked == HANDLE_SELF ? child() : parent(forked);
}
