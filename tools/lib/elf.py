# SPDX-License-Identifier: BSD-2-Clause
"""The few tables of an ELF64 file that the tools look at."""

import struct

PT_LOAD, PF_X, PF_W = 1, 1, 2
SHT_SYMTAB, STT_NOTYPE, STT_OBJECT, STT_FUNC, STB_GLOBAL = 2, 0, 1, 2, 1
SHN_UNDEF, SHN_LORESERVE = 0, 0xFF00
SHF_EXECINSTR = 4


class Segment:
    """One program header."""

    def __init__(self, fields):
        self.type, self.flags, self.offset, self.vaddr = fields[:4]
        self.paddr, self.filesz, self.memsz, self.align = fields[4:]


class Elf:
    """An ELF64 little-endian file, read whole."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path} is not a 64-bit little-endian ELF file")
        head = struct.unpack_from("<16sHHIQQQIHHHHHH", self.data)
        self.segments = [
            Segment(struct.unpack_from("<IIQQQQQQ", self.data, head[5] + i * head[9]))
            for i in range(head[10])
        ]
        self._sections = [
            struct.unpack_from("<IIQQQQIIQQ", self.data, head[6] + i * head[11])
            for i in range(head[12])
        ]

    def functions(self):
        """The sorted (address, name) pairs of all functions, and of the global labels in code,
        which assembly has for what is no function."""
        found = self._symbols()
        return sorted((value, name) for name, info, index, value, _ in found
                      if self._is_code(info, index))  # fmt: skip

    def variable(self, wanted):
        """Address and size of a variable; None if there is none of this name."""
        for name, info, _, value, size in self._symbols():
            if name == wanted and info & 15 == STT_OBJECT:
                return value, size
        return None

    def _symbols(self):
        """All symbols: (name, info, section, value, size)."""
        for section in self._sections:
            if section[1] != SHT_SYMTAB:
                continue
            names = self._sections[section[6]][4]
            for at in range(section[4], section[4] + section[5], 24):
                name, info, _, index, value, size = struct.unpack_from("<IBBHQQ", self.data, at)
                end = self.data.index(b"\0", names + name)
                yield self.data[names + name : end].decode(), info, index, value, size

    def _is_code(self, info, index):
        if index == SHN_UNDEF or index >= SHN_LORESERVE:
            return False
        label = info == STB_GLOBAL << 4 | STT_NOTYPE
        return info & 15 == STT_FUNC or (label and self._sections[index][2] & SHF_EXECINSTR != 0)
