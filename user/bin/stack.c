/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stack [-o] [-f BYTES]: watch the own stack grow.
 *
 * A function calls itself with a frame of BYTES (default 16 KiB).  Each frame touches its lowest
 * byte; where that lies below what is mapped, the kernel extends the stack in the fault, and a line
 * shows it.  The program stops a frame before the limit or the guard; with -o it does not stop, and
 * the kernel ends it.
 */
#include <pagoda/memory.h>
#include <pagoda/stdio.h>
#include <pagoda/stdlib.h>
#include <pagoda/string.h>
#include <pagoda/syscalls.h>

#define DEFAULT_FRAME (16 * 1024ul)
#define MARGIN	      (4 * PAGE_SIZE) /* for printf and the like */
#define KIB	      1024

struct watch {
	uint64_t frame; /* bytes */
	uint64_t floor; /* lowest address a frame may reach */
	uint64_t size;	/* bytes of the stack that are mapped */
	uint64_t frames, growths;
	bool overflow;
};

/* The stack as it is now. */
static void
stack_now(struct proc_info *info)
{
	int64_t error = proc_info(proc_id(HANDLE_SELF), info);

	if (error != 0) {
		printf("stack: proc_info: %s\n", strerror(error));
		exit(1);
	}
}

static void
print_growth(uint64_t addr, uint64_t before, uint64_t after, uint64_t top)
{
	printf("touched %#lx: stack %6lu KiB -> %6lu KiB, lowest byte mapped %#lx\n", addr,
	       before / KIB, after / KIB, top - after);
}

/* Has the touch of addr changed the stack? */
static void
tell_growth(struct watch *w, uint64_t addr)
{
	struct proc_info now;

	stack_now(&now);
	if (now.stack_size != w->size) {
		w->growths++;
		print_growth(addr, w->size, now.stack_size, now.stack_top);
		w->size = now.stack_size;
	}
}

/* One more frame; returns when there is no room for another. */
static __attribute__((noinline)) void
descend(struct watch *w)
{
	volatile char *frame = __builtin_alloca(w->frame);

	*frame = 1; /* before any call, which would touch what lies below */
	w->frames++;
	tell_growth(w, ADDR(frame));
	if (w->overflow || ADDR(frame) - w->floor > w->frame + MARGIN) {
		descend(w);
	}
	frame[w->frame - 1] = 1; /* after the call, so that the call is not made a jump */
}

/* Where the stack must end: the guard, or the limit, whichever is higher. */
static uint64_t
find_floor(const struct proc_info *info)
{
	struct system_info system;
	struct limit limit;

	system_info(&system);
	limit_get(HANDLE_SELF, LIMIT_STACK, &limit);

	uint64_t floor = info->stack_low + system.stack_guard;
	if (limit.cur < info->stack_top - floor) {
		floor = info->stack_top - page_round_down(limit.cur);
	}
	printf("stack %#lx to %#lx, of which %lu KiB are mapped\n", info->stack_low,
	       info->stack_top, info->stack_size / KIB);
	printf("guard %lu KiB at the bottom, growth by %lu KiB, limit %lu KiB: lowest %#lx\n",
	       system.stack_guard / KIB, system.stack_step / KIB, limit.cur / KIB, floor);
	return floor;
}

static bool
parse_options(int argc, char **argv, struct watch *w)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-o") == 0) {
			w->overflow = true;
		} else if (strcmp(argv[i], "-f") != 0 || ++i == argc ||
			   !parse_number(argv[i], &w->frame) || w->frame == 0) {
			return false;
		}
	}
	return true;
}

int
main(int argc, char **argv)
{
	struct watch w = {.frame = DEFAULT_FRAME};
	struct proc_info info;

	if (!parse_options(argc, argv, &w)) {
		puts("usage: stack [-o] [-f BYTES]");
		return 2;
	}
	stack_now(&info);
	w.floor = find_floor(&info);
	w.size = info.stack_size;
	if (w.overflow || ADDR(&w) - w.floor > w.frame + MARGIN) {
		descend(&w);
	}
	stack_now(&info);
	printf("%lu frames of %lu bytes, %lu growths; now %lu KiB are mapped\n", w.frames, w.frame,
	       w.growths, info.stack_size / KIB);
	return 0;
}
