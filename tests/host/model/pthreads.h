/* SPDX-License-Identifier: BSD-2-Clause */
/* <pthread.h> without the host's sched_yield, which is declared unlike the kernel's. */
#ifndef MODEL_PTHREADS_H
#define MODEL_PTHREADS_H

#define sched_yield host_sched_yield
#include <pthread.h>
#undef sched_yield

#endif
