/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pager that does what a test wants: it answers, is silent, fails, is slow, counts.
 *
 * Page i of its object is full of first + i, until a put changes that.  It is a vm_pager_ops like any
 * other and knows nothing of vm/ beyond that.
 */
#ifndef MODEL_PAGER_H
#define MODEL_PAGER_H

#include <stdbool.h>
#include <stdint.h>
#include "vm/vm_pager.h"

#define MODEL_PAGER_PAGES 8

struct model_pager {
	struct vm_object *object;
	uint8_t page[MODEL_PAGER_PAGES][PAGE_SIZE]; /* what it keeps */
	bool lacks[MODEL_PAGER_PAGES];		    /* has_page says no */
	enum vm_pager_result answer;		    /* to get and put */
	bool silent;				    /* (a) asked now, it does not answer */
	uint64_t patience; /* ns of silence, then it is an error; 0: for ever */
	bool may_fail;	   /* each call is an allocation: told to fail it is an error */
	unsigned failures; /* so many have */
	unsigned gets, puts, terminations; /* (a) how often it was asked */
};					   /* (a) atomic */

/* model_pager_object: an object of `pages` pages with one reference, whose pager is p. */
struct vm_object *model_pager_object(struct model_pager *p, size_t pages, uint8_t first);

/* model_pager_speak: what was asked in silence is answered so, and what comes too. */
void model_pager_speak(struct model_pager *p, enum vm_pager_result answer);

#endif
