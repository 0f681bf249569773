/* SPDX-License-Identifier: BSD-2-Clause */
/* assert: what must be true; otherwise the place is printed and the program aborts.  Always on. */
#ifndef PAGODA_ASSERT_H
#define PAGODA_ASSERT_H

_Noreturn void assert_failed(const char *condition, const char *file, int line);

#define assert(condition) ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__))

#endif
