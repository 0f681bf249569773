#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How long spinlocks are held at most, in instructions: programs that do much at once, on a machine
whose clock counts them.

With `-icount shift=0` an instruction takes a nanosecond of the machine's time, so lock.report's
table says the same in every run of the same kernel, whatever the host does meanwhile.  A debug
kernel takes some five instructions where a release kernel takes one.
"""

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import machine
import tap

PROGRAMS = (
    ("bin/torture", "1", "7"), ("tests/protect",), ("tests/map",), ("tests/wire",),
    ("tests/sched",), ("tests/growth",), ("tests/contents",), ("tests/elf",),
)  # fmt: skip

LIMIT = 100_000  # instructions

LIMITS = {
    # A line of the log goes to the serial port, which takes 87,000 ns a character, in one hold.
    "print": 30_000_000,
    # All 512 pages of a table are unmapped in one hold, so that there is one shootdown for them.
    "page table": 600_000,
}
# But where there are few pages in each of many tables:
SPARSE, SPARSE_LIMIT = "tests/protect", 150_000

LINE = re.compile(r'^lock: +(\d+) "(.*?)" (taken at .*)$', re.M)


def run(program):
    words = f"lock.report lock.hold_us=0 {machine.run_cmdline(program[0], program[1:])}"
    return program, machine.boot(
        cmdline=words, mem="256M", smp=1, timeout=170, poison=False, log="cpu_reset,guest_errors",
        extra=["-icount", "shift=0,sleep=off", "-rtc", "base=2025-01-01T00:00:00,clock=vm",
               "-seed", "1"],
    )  # fmt: skip


def longest_of(results):
    """{lock: (instructions, where, program)}, the longest of all programs."""
    longest = {}
    for program, result in results:
        tap.equal(result.status, 0, f"{' '.join(program)}: it runs, counted", result.report())
        for held, name, where in LINE.findall(result.serial):
            if (name, program[0]) == ("page table", SPARSE):
                tap.ok(int(held) <= SPARSE_LIMIT,
                       f'"page table" is held for at most {SPARSE_LIMIT} instructions in {SPARSE}',
                       f"{held}, {where}")  # fmt: skip
            if int(held) >= longest.get(name, (0,))[0]:
                longest[name] = int(held), where, program[0]
    return longest


def judge(longest):
    tap.ok(len(longest) > 20, "the table knows the locks", str(longest))
    for name, (held, where, program) in sorted(longest.items(), key=lambda item: -item[1][0]):
        limit = LIMITS.get(name, LIMIT)
        print(f"# {held:8} {name}: {where}, {program}")
        tap.ok(held <= limit, f'"{name}" is held for at most {limit} instructions',
               f"{held}, {where}, in {program}")  # fmt: skip


if machine.is_debug_build():
    with ThreadPoolExecutor(max_workers=2) as pool:
        judge(longest_of(pool.map(run, PROGRAMS)))
else:
    tap.skip("how long spinlocks are held", "only debug kernels measure it")
tap.done()
