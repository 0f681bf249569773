/* SPDX-License-Identifier: BSD-2-Clause */
/* Error numbers; the values are those of Linux, so that a personality need not translate. */
#ifndef PAGODA_ERRNO_H
#define PAGODA_ERRNO_H

#define EPERM	  1
#define ENOENT	  2
#define ESRCH	  3
#define EINTR	  4
#define EIO	  5
#define E2BIG	  7
#define ENOEXEC	  8
#define EBADF	  9
#define ECHILD	  10
#define EAGAIN	  11
#define ENOMEM	  12
#define EACCES	  13
#define EFAULT	  14
#define EBUSY	  16
#define EEXIST	  17
#define EINVAL	  22
#define EMFILE	  24
#define ENOSPC	  28
#define ERANGE	  34
#define ENOSYS	  38
#define EOVERFLOW 75
#define ETIMEDOUT 110
#define ECANCELED 125

#endif
