# SPDX-License-Identifier: BSD-2-Clause
"""The release kernel, for tests that run beside those of the debug kernel."""

import fcntl
import os
import subprocess

import machine

DIRECTORY = "build/release"


def build():
    """Build it, one test at a time; (success, name, hint) for tap.ok."""
    # What the make that runs the tests was told, BUILD=debug above all, is not for this one.
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    jobs = os.environ.get("JOBS", "1")
    directory = os.path.join(machine.ROOT, DIRECTORY)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run(
            ["make", "-s", f"-j{jobs}", "BUILD=release", f"O={DIRECTORY}", "all"],
            cwd=machine.ROOT, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
    return made.returncode == 0, "the release kernel is built", made.stderr
