"""CPUID of the emulated machine, for Python tools that `tdxfs run` starts.

It stands in for the module `cpuid` of PyPI (`cpuid(leaf)`, `cpuid_count(leaf, subleaf)`, `cpu_vendor()`, `cpu_name()`) and for
the single-file `cpuid.py` (`CPUID()(leaf, subleaf)`). Each answer is the tuple (EAX, EBX, ECX, EDX). `tdxfs run` puts this
directory ahead on PYTHONPATH and tells CPUID.1:EAX in TDXFS_CPUID_1_EAX; elsewhere every call raises RuntimeError, so that
nobody takes an invented CPU for the real one.

Leaf 1 EAX is exact (Intel SDM, CPUID "Version Information"); the other leaves have what identifies the CPU, and else 0.
"""

import os
import struct

_BRAND = {
    0x806F0: "Sapphire Rapids",
    0xC06F0: "Emerald Rapids",
    0xA06F0: "Sierra Forest",
    0xA06D0: "Granite Rapids",
    0xA06E0: "Granite Rapids-D",
}
_MAX_BASIC = 0x20
_MAX_EXTENDED = 0x80000008
# SSE3 PCLMULQDQ VMX SMX SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE OSXSAVE AVX F16C RDRAND
_LEAF_1_ECX = (0, 1, 5, 6, 9, 12, 13, 19, 20, 22, 23, 25, 26, 27, 28, 29, 30)
# FPU TSC MSR PAE CX8 APIC PGE CMOV PAT CLFSH FXSR SSE SSE2 HTT
_LEAF_1_EDX = (0, 4, 5, 6, 8, 9, 13, 15, 16, 19, 24, 25, 26, 28)
# LAHF64 LZCNT PREFETCHW; SYSCALL NX 1-GB-PAGES RDTSCP INTEL-64
_EXTENDED_ECX = (0, 5, 8)
_EXTENDED_EDX = (11, 20, 26, 27, 29)


def _bits(numbers):
    return sum(1 << number for number in numbers)


def _signature():
    """CPUID.1:EAX of the machine."""
    text = os.environ.get("TDXFS_CPUID_1_EAX")
    if not text:
        raise RuntimeError(
            "cpuid: this is tdxfs's stand-in, which knows a CPU only under 'tdxfs run' (TDXFS_CPUID_1_EAX is not set)")
    try:
        value = int(text, 16)
    except ValueError:
        value = -1
    if not 0 <= value <= 0xFFFFFFFF:
        raise RuntimeError(f"cpuid: TDXFS_CPUID_1_EAX={text!r} is no 32-bit number in hexadecimal")
    return value


def _brand(signature):
    """The brand string: 48 bytes, NUL-terminated."""
    name = _BRAND.get(signature & ~0xF, "TDX")
    return f"tdxfs emulated Intel(R) {name} CPU".encode().ljust(48, b"\0")


def cpuid_count(leaf, subleaf=0):
    """(EAX, EBX, ECX, EDX) of CPUID with EAX=leaf, ECX=subleaf."""
    signature = _signature()
    leaf &= 0xFFFFFFFF
    if leaf == 0:
        ebx, edx, ecx = struct.unpack("<III", b"GenuineIntel")
        return (_MAX_BASIC, ebx, ecx, edx)
    if leaf == 1:
        return (signature, 0x00000800, _bits(_LEAF_1_ECX), _bits(_LEAF_1_EDX))
    if leaf == 0x80000000:
        return (_MAX_EXTENDED, 0, 0, 0)
    if leaf == 0x80000001:
        return (0, 0, _bits(_EXTENDED_ECX), _bits(_EXTENDED_EDX))
    if 0x80000002 <= leaf <= 0x80000004:
        return struct.unpack_from("<IIII", _brand(signature), 16 * (leaf - 0x80000002))
    if leaf == 0x80000008:
        # 52 physical and 57 linear address bits.
        return (57 << 8 | 52, 0, 0, 0)
    return (0, 0, 0, 0)


def cpuid(leaf, subleaf=0):
    """(EAX, EBX, ECX, EDX) of CPUID with EAX=leaf, ECX=subleaf."""
    return cpuid_count(leaf, subleaf)


def cpu_vendor():
    """The vendor of leaf 0."""
    _, ebx, ecx, edx = cpuid(0)
    return struct.pack("<III", ebx, edx, ecx).decode("ascii")


def cpu_name():
    """The brand string of leaves 0x80000002 to 0x80000004."""
    text = b"".join(struct.pack("<IIII", *cpuid(0x80000002 + part)) for part in range(3))
    return text.split(b"\0")[0].decode("ascii").strip()


class CPUID:
    """Callable: CPUID()(leaf, subleaf) is (EAX, EBX, ECX, EDX)."""

    def __call__(self, eax, ecx=0):
        return cpuid_count(eax, ecx)


if __name__ == "__main__":
    print(cpu_vendor(), cpu_name(), f"CPUID.1:EAX=0x{cpuid(1)[0]:08x}")
