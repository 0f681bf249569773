/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses of one byte, by the test itself or by a thread of its own. */
#include "model/thread.h"
#include "model/toucher.h"

enum model_signal
try_load(struct proc *p, vm_offset_t va)
{
	uint8_t byte;

	return model_user_read(p, va, &byte, 1);
}

enum model_signal
try_store(struct proc *p, vm_offset_t va)
{
	uint8_t byte = TOUCHER_VALUE;

	return model_user_write(p, va, &byte, 1);
}

static void
touch(void *arg)
{
	struct toucher *t = arg;

	t->signal = try_store(t->proc, t->va);
}

void
toucher_start(struct toucher *t, struct proc *p, vm_offset_t va)
{
	*t = (struct toucher){.proc = p, .va = va};
	t->thread = model_thread_start("toucher", touch, t);
	model_thread_await_sleep(t->thread);
}

enum model_signal
toucher_end(struct toucher *t)
{
	model_thread_join(t->thread);
	return t->signal;
}

enum model_signal
toucher_kill(struct toucher *t)
{
	model_thread_kill(t->thread);
	return toucher_end(t);
}
