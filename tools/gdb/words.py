# SPDX-License-Identifier: BSD-2-Clause
"""Numbers of the headers in words.

Macros are not in the debug information.  So that nothing here can grow old, the names are read from
the headers themselves.
"""

import functools
import os
import re

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEFINE = re.compile(r"^#define[ \t]+(\w+)[ \t]+(.+?)[ \t]*(?:/\*.*)?$", re.M)
NUMBER = re.compile(r"\(?(0[xX][0-9a-fA-F]+|\d+)[uUlL]*(?:\s*<<\s*(\d+))?\)?")


@functools.lru_cache(maxsize=None)
def constants(header):
    """The macros of a header that are numbers: {name: number}."""
    with open(os.path.join(SOURCE, header), encoding="utf-8") as f:
        text = f.read()
    found = {}
    for name, value in DEFINE.findall(text):
        if number := NUMBER.fullmatch(value.strip()):
            found[name] = int(number[1], 0) << int(number[2] or 0)
    return found


@functools.lru_cache(maxsize=None)
def flag_names(header, prefix):
    """[(bit, word)] of the flags of a header with this prefix: single bits in hexadecimal."""
    with open(os.path.join(SOURCE, header), encoding="utf-8") as f:
        found = re.findall(rf"^#define[ \t]+{prefix}(\w+)[ \t]+(0x\w+)\b", f.read(), re.M)
    bits = [(int(value, 16), name.lower().replace("_", "-")) for name, value in found]
    return [(bit, name) for bit, name in bits if bit and bit & (bit - 1) == 0]


def flags(value, header, prefix, only=None):
    """The flags that are set, as words; "-" if none is, and unknown bits as a number.  only: these
    words, where a prefix serves several fields."""
    words, rest = [], int(value)
    for bit, word in flag_names(header, prefix):
        if only and word not in only:
            continue
        if value & bit:
            words.append(word)
            rest &= ~bit
    if rest:
        words.append(f"{rest:#x}")
    return " ".join(words) or "-"


def prot(value):
    """rwx"""
    value = int(value)
    return "".join(letter if value >> bit & 1 else "-" for bit, letter in enumerate("rwx"))


def size(value):
    """A number of bytes, short if it is a round one."""
    for shift, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if value and value % (1 << shift) == 0:
            return f"{value >> shift} {unit}"
    return f"{value} bytes"


def inherit(value):
    """VM_INHERIT_* as a word."""
    return ("share", "copy", "none", "zero")[int(value)] if int(value) < 4 else str(int(value))
