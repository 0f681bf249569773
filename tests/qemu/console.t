#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What is typed reaches a program, and is not lost with a reader whose buffer went away."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import machine
import tap

with machine.Machine(cmdline=machine.run_cmdline("bin/typed", []), timeout=60) as m:
    ready = m.expect("typed: now")
    m.send("lost or found\r")
    result = m.wait()
tap.ok(ready, "a thread waits for input", result.report())
tap.contains(result.text, "the thread: bad address", "its buffer is gone: it gets an error")
tap.contains(result.text, "the program: lost or found", "the next reader gets what was typed")
tap.equal(result.status, 0, "the program ends in good order", result.report())
tap.done()
