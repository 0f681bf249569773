/* SPDX-License-Identifier: BSD-2-Clause */
/* The one table from the codes of vm/ to the errors of the system-call interface. */
#ifndef KERNEL_ERRORS_H
#define KERNEL_ERRORS_H

#include "vm/vm_types.h"

/*
 * errno_of: the E* of a code, 0 for success, as for the calls that shape a space:
 *
 *	INVALID_ADDRESS		ENOMEM	a hole where the range must be mapped, or outside the space
 *	PROTECTION_FAILURE	EACCES	more than is allowed
 *	NO_SPACE		ENOMEM	nothing fits, or a limit (EEXIST with VM_MAP_FLAG_EXCL: the caller)
 *	INVALID_ARGUMENT	EINVAL	also what is not aligned
 *	FAILURE			EFAULT
 *	RESOURCE_SHORTAGE	ENOMEM	memory, or the commit limit
 *	OUT_OF_BOUNDS		EFAULT	beyond the end of the object
 *	ABORTED			EINTR	the thread is to die
 *
 * errno_of_access: as for calls that read or write memory: whatever keeps an address from being
 * accessed is EFAULT.
 */
int errno_of(kern_return_t kr);
int errno_of_access(kern_return_t kr);

#endif
