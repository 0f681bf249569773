/* SPDX-License-Identifier: BSD-2-Clause */
/* The debug switches of the command line: read by a debug kernel, refused by a release kernel. */
#include <stddef.h>
#include "boot/boot_info.h"
#include "kernel/base/clock.h"
#include "kernel/base/debug.h"
#include "kernel/base/lockhold.h"
#include "kernel/base/print.h"
#include "kernel/base/string.h"
#include "kernel/debug.h"

#ifdef CONFIG_DEBUG

#define NS_PER_US    1000
#define LOCK_HOLD_US 5000000 /* an emulator's host may stop a processor that holds a lock */

static bool
option_is(const char *name, const char *value)
{
	char buf[BOOT_OPTION_MAX];

	return boot_option(name, buf, sizeof(buf)) != NULL && strcmp(buf, value) == 0;
}

void
debug_init(void)
{
	debug_switches.poison = boot_option_set("debug.poison");
	debug_switches.scattered = option_is("debug.frames", "scattered");
	debug_switches.small = boot_option_set("debug.small");
	kprintf("debug: poison %s, frames %s, limits %s\n",
		debug_switches.poison ? "everywhere" : "at the ends",
		debug_switches.scattered ? "scattered" : "in order",
		debug_switches.small ? "small" : "as usual");
	lockhold_set_limit(boot_option_number("lock.hold_us", LOCK_HOLD_US) * NS_PER_US);
}

void
debug_report(void)
{
	if (boot_option_set("lock.report"))
		lockhold_print();
}

#else

static const char *const switches[] = {
    "debug.absent", "debug.fault",  "debug.frames", "debug.poison",
    "debug.small",  "lock.hold_us", "lock.report",
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
debug_report(void)
{
}

void
debug_fault(void)
{
}

#endif
