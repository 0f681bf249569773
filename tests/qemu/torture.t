#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A minute of torture on four processors (make torture: as long as you like)."""

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import machine
import tap

SECONDS = 60
SEED = int(os.environ.get("SEED", time.time_ns() // 1000 % 1_000_000))

result = machine.boot(
    how="kernel", cmdline=machine.run_cmdline("bin/torture", [str(SECONDS), str(SEED)]),
    mem="256M", smp=4, timeout=4 * SECONDS,
)  # fmt: skip
good = result.kind == "done" and result.status == 0
tap.ok(good, f"torture: {SECONDS} s on 4 processors, seed {SEED}", result.text + result.report())
tap.done()
