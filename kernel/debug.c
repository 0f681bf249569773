/* SPDX-License-Identifier: BSD-2-Clause */
/* Debug switches: read from the command line by a debug kernel, refused by a release kernel. */
#include <stddef.h>
#include "boot/boot_info.h"
#include "kernel/base/print.h"
#include "kernel/debug.h"

#ifdef CONFIG_DEBUG

void
debug_init(void)
{
}

#else

static const char *const switches[] = {
    "debug.fault",
};

void
debug_init(void)
{
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		if (boot_option_set(switches[i]))
			kprintf("boot: option %s needs a debug kernel (make BUILD=debug)\n",
				switches[i]);
	}
}

void
debug_fault(void)
{
}

#endif
