/* SPDX-License-Identifier: BSD-2-Clause */
/* A pager that does what a test wants. */
#include <string.h>
#include "kernel/base/clock.h"
#include "kernel/base/panic.h"
#include "kernel/base/sched.h"
#include "kernel/base/sleepq.h"
#include "model/harness.h"
#include "model/memory.h"
#include "model/pager.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"

/* wait_for_answer: as long as p is silent. */
static enum vm_pager_result
wait_for_answer(struct model_pager *p)
{
	uint64_t deadline = p->patience == 0 ? SLEEPQ_FOREVER : clock_now() + p->patience;

	for (;;) {
		sleepq_prepare(p, "pager");
		if (!__atomic_load_n(&p->silent, __ATOMIC_SEQ_CST)) {
			sleepq_cancel();
			return p->answer;
		}
		switch (sleepq_wait(deadline, SLEEPQ_KILLABLE)) {
		case SLEEPQ_KILLED:
			return VM_PAGER_ABORTED;
		case SLEEPQ_TIMEOUT:
			return VM_PAGER_ERROR;
		case SLEEPQ_WOKEN:
			break;
		}
	}
}

/* answer: what p says, or is told to say. */
static enum vm_pager_result
answer(struct model_pager *p)
{
	if (p->may_fail && model_alloc_fails()) {
		p->failures++;
		return VM_PAGER_ERROR;
	}
	return wait_for_answer(p);
}

/* check_call: what get and put may count on. */
static void
check_call(struct vm_object *object, const struct vm_page *m)
{
	VERIFY(curthread()->lockorder.count == 0, "the pager is called with %u locks held",
	       curthread()->lockorder.count);
	rwlock_read(&object->lock);
	VERIFY(m->object == object && (m->flags & VM_PAGE_BUSY) != 0, "page %p of %p, flags %#x",
	       (const void *)m, (void *)m->object, m->flags);
	VERIFY(object->paging > 0 && object->ref_count > 0, "object %p: paging %u references %u",
	       (void *)object, object->paging, object->ref_count);
	rwlock_read_unlock(&object->lock);
}

static enum vm_pager_result
get(struct vm_object *object, struct vm_page *m)
{
	struct model_pager *p = object->pager_data;
	enum vm_pager_result result;

	check_call(object, m);
	rwlock_read(&object->lock);
	VERIFY((m->flags & VM_PAGE_VALID) == 0 && m->pv_pmap == NULL, "page %p, flags %#x",
	       (void *)m, m->flags);
	rwlock_read_unlock(&object->lock);
	__atomic_fetch_add(&p->gets, 1, __ATOMIC_SEQ_CST);
	result = answer(p);
	if (result == VM_PAGER_OK)
		memcpy(pmap_page_address(m), p->page[m->pindex], PAGE_SIZE);
	return result;
}

static enum vm_pager_result
put(struct vm_object *object, struct vm_page *m)
{
	struct model_pager *p = object->pager_data;
	enum vm_pager_result result;

	check_call(object, m);
	__atomic_fetch_add(&p->puts, 1, __ATOMIC_SEQ_CST);
	result = answer(p);
	if (result == VM_PAGER_OK)
		memcpy(p->page[m->pindex], pmap_page_address(m), PAGE_SIZE);
	return result;
}

static bool
has_page(struct vm_object *object, vm_pindex_t pindex)
{
	const struct model_pager *p = object->pager_data;

	VERIFY(rwlock_write_owned(&object->lock), "object %p", (void *)object);
	return pindex < MODEL_PAGER_PAGES && !p->lacks[pindex];
}

static void
terminate(struct vm_object *object)
{
	struct model_pager *p = object->pager_data;

	VERIFY(curthread()->lockorder.count == 0 && object->resident == 0,
	       "%u locks held, %zu pages", curthread()->lockorder.count, (size_t)object->resident);
	__atomic_fetch_add(&p->terminations, 1, __ATOMIC_SEQ_CST);
}

static const struct vm_pager_ops model_pager_ops = {
    .name = "model",
    .traits = VM_PAGER_PAGED,
    .has_page = has_page,
    .get = get,
    .put = put,
    .terminate = terminate,
};

struct vm_object *
model_pager_object(struct model_pager *p, size_t pages, uint8_t first)
{
	struct vm_object *object = vm_object_allocate(&model_pager_ops, pages);

	assert_non_null(object);
	*p = (struct model_pager){.object = object, .answer = VM_PAGER_OK};
	for (size_t i = 0; i < MODEL_PAGER_PAGES; i++)
		memset(p->page[i], (uint8_t)(first + i), PAGE_SIZE);
	object->pager_data = p;
	return object;
}

void
model_pager_speak(struct model_pager *p, enum vm_pager_result answer)
{
	p->answer = answer;
	__atomic_store_n(&p->silent, false, __ATOMIC_SEQ_CST);
	sleepq_wake_all(p);
}
