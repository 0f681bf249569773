/* SPDX-License-Identifier: BSD-2-Clause */
/* Host threads keep their own registers. */
#ifndef HOST_MACHINE_CONTEXT_H
#define HOST_MACHINE_CONTEXT_H

struct context {
	char none;
};

struct machine_thread {
	char none;
};

#endif
