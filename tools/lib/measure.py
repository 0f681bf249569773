# SPDX-License-Identifier: BSD-2-Clause
"""The machines on which numbers are taken.

One has a single processor whose clock counts instructions.

With `-icount shift=S` each instruction takes 2^S ns of the guest's time, and the time-stamp counter
counts those nanoseconds: with shift 0 it counts instructions.  `sleep=off` and the fixed clock make
every run of the same files the same, to the instruction (docs/measuring.md).

The other one has two processors that run side by side, each on one of the host's, and its clock is
the host's.
"""

import os

import machine

# The release kernel, unless the environment says otherwise.
os.environ.setdefault("PAGODA_BUILD_DIR", "build/release")

MEMORY = "512M"


def run(program, arguments, shift=0, timeout=120, extra=()):
    """Run one program of the archive to its end; the machine.Result."""
    return machine.boot(
        how="kernel", cmdline=machine.run_cmdline(program, arguments), mem=MEMORY, smp=1,
        timeout=timeout, poison=False, log="cpu_reset,guest_errors",
        extra=[
            "-icount", f"shift={shift},sleep=off", "-rtc", "base=2025-01-01T00:00:00,clock=vm",
            "-seed", "1", *extra,
        ],
    )  # fmt: skip


def run_side_by_side(program, arguments, timeout=120):
    """Run one program of the archive on two processors; the machine.Result."""
    return machine.boot(
        how="kernel", cmdline=machine.run_cmdline(program, arguments), mem=MEMORY, smp=2,
        timeout=timeout, poison=False, log="cpu_reset,guest_errors",
        extra=["-accel", "tcg,thread=multi", "-cpu", "qemu64"],
    )  # fmt: skip
