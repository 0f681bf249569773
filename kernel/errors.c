/* SPDX-License-Identifier: BSD-2-Clause */
/* From the codes of vm/ to errors. */
#include <pagoda/errno.h>
#include "kernel/base/panic.h"
#include "kernel/errors.h"

int
errno_of(kern_return_t kr)
{
	static const int table[] = {
	    [KERN_SUCCESS] = 0,
	    [KERN_INVALID_ADDRESS] = ENOMEM,
	    [KERN_PROTECTION_FAILURE] = EACCES,
	    [KERN_NO_SPACE] = ENOMEM,
	    [KERN_INVALID_ARGUMENT] = EINVAL,
	    [KERN_FAILURE] = EFAULT,
	    [KERN_RESOURCE_SHORTAGE] = ENOMEM,
	    [KERN_NOT_RECEIVER] = EINVAL,
	    [KERN_NO_ACCESS] = EACCES,
	    [KERN_OUT_OF_BOUNDS] = EFAULT,
	    [KERN_RESTART] = EAGAIN,
	    [KERN_ABORTED] = EINTR,
	};

	VERIFY(kr >= 0 && kr < (int)(sizeof(table) / sizeof(table[0])), "code %d is unknown", kr);
	return table[kr];
}

int
errno_of_access(kern_return_t kr)
{
	switch (kr) {
	case KERN_INVALID_ADDRESS:
	case KERN_PROTECTION_FAILURE:
		return EFAULT;
	default:
		return errno_of(kr);
	}
}
