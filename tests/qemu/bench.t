#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The measures of tools/bench count what they say, come out the same twice, keep their limits."""

import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import machine
import release
import tap

# The others take longer and are measured once.
QUICK = ["method", "null", "fault", "stack", "cow", "map", "protect", "boot"]
LONG = ["fork", "many"]

LOOP = 2001  # instructions of the loop of the group `method`
PAGE_STORES = 512  # of `rep stosq` over a page
RESULT = re.compile(r"^(not )?ok \d+ - (.*)$", re.M)


def bench(groups):
    """tools/bench with limits: what it prints."""
    done = subprocess.run(
        [os.path.join(machine.ROOT, "tools/bench"), "-c", *groups], capture_output=True, text=True,
        check=False, env=dict(os.environ, PAGODA_BUILD_DIR=release.DIRECTORY),
    )  # fmt: skip
    tap.ok("1.." in done.stdout, f"{' '.join(groups)}: measured", done.stdout + done.stderr)
    return done.stdout


def value(text, name):
    found = re.search(rf"^# native\.{re.escape(name)} (\d+) ", text, re.M)
    return int(found[1]) if found else -1


if not tap.ok(*release.build()):
    tap.done()
first, second = bench(QUICK), bench(QUICK)
tap.equal(first, second, "a second run gives the same to the digit")
tap.equal(value(first, "check_loop_2001"), LOOP, "the counter counts instructions")
tap.ok(
    value(first, "zero_fill_fault_less_zeroing.min") > 0
    and value(first, "zero_fill_fault.min") > PAGE_STORES,
    "every zero-fill fault that is measured zeroes its page",
    first,
)
for text in (first, bench(LONG)):
    for failed, name in RESULT.findall(text):
        tap.ok(not failed, name)
tap.done()
