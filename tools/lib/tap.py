# SPDX-License-Identifier: BSD-2-Clause
"""A test script that prove can run: numbered results on stdout, the plan at the end.

    import tap
    tap.ok(result.kind == "done", "boots", result.report())
    tap.equal(result.status, 0, "ends with 0")
    tap.done()
"""

import sys

_count = 0
_failed = 0


def ok(condition, name, hint=""):
    """One result; hint (values, logs) is shown only if it failed."""
    global _count, _failed
    _count += 1
    print(f"{'ok' if condition else 'not ok'} {_count} - {name}", flush=True)
    if not condition:
        _failed += 1
        note(hint)
    return bool(condition)


def equal(got, expected, name, hint=""):
    """ok() for two values, which are printed if they differ."""
    return ok(got == expected, name, f"got {got!r}, expected {expected!r}\n{hint}")


def contains(text, part, name):
    """ok() if part occurs in text; the end of text is printed if not."""
    tail = "\n".join(text.splitlines()[-40:])
    return ok(part in text, name, f"no {part!r} in:\n{tail}")


def skip(name, why):
    """A result that could not be had here, and why; it counts as passed."""
    global _count
    _count += 1
    print(f"ok {_count} - {name} # SKIP {why}", flush=True)


def note(text):
    """Lines for the reader, on stderr so that prove shows them."""
    sys.stdout.flush()
    for line in str(text).splitlines():
        print(f"# {line}", file=sys.stderr)


def done():
    """The plan; ends the script with a status that says whether all went well."""
    print(f"1..{_count}", flush=True)
    sys.exit(1 if _failed else 0)
