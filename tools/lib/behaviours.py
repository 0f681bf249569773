# SPDX-License-Identifier: BSD-2-Clause
"""The table of behaviours, docs/contracts/behaviours.md, and how tests and TAP lines name its rows.

    for row in behaviours.rows():
        print(row.id, row.core, row.host, row.machine)
    behaviours.named("GRW-13, GRW-14: growth stops at the limit")       # ["GRW-13", "GRW-14"]
"""

import dataclasses
import os
import re

TABLE = "docs/contracts/behaviours.md"
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")

# Y: the manual pages say it, P: it follows from them, N: neither; N+ is of the core all the same.
CORE = {"Y": True, "P": True, "N": False, "N+": True}
ID = r"[A-Z]{2,3}-\d\d"
IDS = rf"((?:{ID}(?:, )?)+):"  # the beginning of a test's name
ROW = re.compile(rf"\| ({ID}) \| (\S*) \| (.*) \| ?([^|]*?) ?\| ?([^|]*?) ?\|")
RESULT = re.compile(r"(not )?ok\b(?: \d+)?(?: -)? ?(.*)")
DIRECTIVE = re.compile(r"#\s*(?:skip|todo)\b", re.I)


@dataclasses.dataclass
class Row:
    id: str
    core: bool  # must have a planted fault
    text: str
    host: list  # files of tests, by their last names
    machine: list
    line: int


def rows():
    """The rows of the table, in its order."""
    found = []
    with open(os.path.join(ROOT, TABLE), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if row := ROW.match(line):
                files = [re.findall(r"\w+\.[ct]\b", cell) for cell in row.group(4, 5)]
                found.append(Row(row[1], CORE[row[2]], row[3], *files, number))
    return found


def named(name):
    """The rows that a test's name begins with."""
    found = re.match(IDS, name)
    return found[1].split(", ") if found else []


def results(tap):
    """Yield (row, passed) for the lines of a TAP text; one that was skipped or is to be done did
    not run and is passed over."""
    for line in tap.splitlines():
        result = RESULT.match(line)
        if result and not DIRECTIVE.search(result[2]):
            for row in named(result[2]):
                yield row, not result[1]
