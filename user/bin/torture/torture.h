/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of torture share: workers and what they know of their memory. */
#ifndef TORTURE_TORTURE_H
#define TORTURE_TORTURE_H

#include <pagoda/archive.h>
#include <pagoda/memory.h>
#include <pagoda/process.h>
#include <pagoda/stdlib.h>
#include <pagoda/tap.h>
#include <pagoda/thread.h>

#define WORKERS	    6
#define SLOTS	    8
#define SLOT_PAGES  16
#define SLOT_BYTES  (SLOT_PAGES * PAGE_SIZE)
#define DEVICE_AT   (SLOTS * SLOT_BYTES) /* in an area, behind the slots */
#define AREA_BYTES  (DEVICE_AT + SLOT_BYTES)
#define STACK_BYTES (1ul << 20)
#define END_MARK    "end" /* the argument with which the program ends at once */

#define TIMER 0xfed00000ul /* high-precision event timer: a device that nobody drives */

/* What a worker knows of a slot. */
struct slot {
	uint64_t seed;	  /* page i is made from seed + i */
	uint32_t written; /* a bit for each page that was, the others are zero */
	uint8_t pages;	  /* mapped, 0: none */
	bool readonly, shared;
	bool pieces; /* it may be several entries of the map */
};

struct worker {
	handle_t thread; /* 0: none yet */
	uint32_t holder; /* (a) number of who may kill or stop it, 0: nobody */
	uint32_t holds;	 /* (a) number of the worker that it has claimed, or is about to */
	uint32_t doing;	 /* which operation, for the account */
	uint64_t area, stack, random;
	struct slot slot[SLOTS];
}; /* (a) atomic */

/* choose: one of n, by w's random numbers. */
uint64_t choose(struct worker *w, uint64_t n);

/* fail: end the arena; `what` went wrong for w.  must: if the result of a call is an error. */
_Noreturn void fail(const struct worker *w, const char *what, uint64_t addr, int64_t result);
void must(const struct worker *w, int64_t result, const char *what, uint64_t addr);

/* An operation: w does something, mostly to one of its slots. */
typedef void operation(struct worker *w, struct slot *s);

/* ---- slots.c ---- */

operation map_slot, write_slot, check_slot, shrink_slot, protect_slot, wire_slot;
operation advise_slot, discard_slot, move_slot, sync_slot, share_slot, use_device;

uint64_t slot_addr(const struct worker *w, const struct slot *s);
uint64_t slot_bytes(const struct slot *s);
void write_page(struct worker *w, struct slot *s, uint64_t page);

extern handle_t torture_device; /* the arena's */

/* ---- copies.c ---- */

operation fork_worker, load_program;

extern struct archive_file torture_image; /* this program */

#endif
