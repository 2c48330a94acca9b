#!/usr/bin/env python3
"""Installs a TDX module image, and does what `tdxfs lint` asks of a client: an example for authors of tools.

    update_module.py [--version M.m.uu] [--busy-limit SECONDS] [--time-limit SECONDS] IMAGE

The version is taken from the file's name (tdx_module_1.5.28.blob) unless it is given. It uses the kernel's sysfs files
only (Linux: Documentation/ABI/testing/sysfs-devices-faux-tdx-host) and knows nothing of tdxfs. Exit status: 0 when the
version runs, 1 when it does not, 2 for wrong usage.
"""

import argparse
import glob
import os
import re
import struct
import sys
import time

DEVICE = "/sys/devices/faux/tdx_host"
CPUS = "/sys/devices/system/cpu"
SIGSTRUCT = 0x1000  # The header is one page, in either format.


class Failure(Exception):
    """Why the module is not installed; one line for people."""


def text(*path):
    with open(os.path.join(*path), encoding="ascii") as file:
        return file.read().strip()


def numbers(version):
    return tuple(int(part) for part in version.split("."))


def running_version():
    """The version that runs; reading it fails with ENXIO once TDX is lost."""
    try:
        return text(DEVICE, "version")
    except OSError as error:
        raise Failure(f"TDX is lost until reboot (version: {error.strerror})") from error


def upload_device():
    devices = [path for path in glob.glob("/sys/class/firmware/*") if os.path.exists(path + "/remaining_size")]
    if len(devices) != 1:
        raise Failure("this kernel offers no TDX module updates" if not devices else f"which one of {devices}?")
    return devices[0]


def check_machine():
    """What Linux does not look at, and what would cost TDX: offline CPUs, and an empty budget."""
    online, present = text(CPUS, "online"), text(CPUS, "present")
    if online != present:
        raise Failure(f"some CPUs are offline (online {online}, present {present}): an update would lose TDX")
    for name in ("num_remaining_updates", "seamldr/num_remaining_updates"):
        path = os.path.join(DEVICE, name)
        if os.path.exists(path):
            if int(text(path)) == 0:
                raise Failure("no updates remain until the next boot: an update would lose TDX")
            return


def check_image(image, version, current):
    """What the P-SEAMLDR refuses only when the running module has been shut down."""
    if numbers(version)[:2] != numbers(current)[:2] or numbers(version) < numbers(current):
        raise Failure(f"{current} to {version} is no update within one line")
    if len(image) <= 2 * SIGSTRUCT or b"TDX-BLOB" not in (image[8:16], image[4:12]):
        raise Failure("this file is no TDX module image")
    (module_type,) = struct.unpack_from("<I", image, SIGSTRUCT + 12)
    if module_type >> 31:
        raise Failure("this is a debug image")
    (count,) = struct.unpack_from("<I", image, SIGSTRUCT + 1024)
    listed = struct.unpack_from(f"<{min(count, 255)}I", image, SIGSTRUCT + 1028)
    try:
        import cpuid
    except ImportError:
        print("no cpuid module for Python: the image's CPU list is not checked", file=sys.stderr)
        return
    signature = cpuid.cpuid(1)[0]
    if signature & ~0xF not in [entry & ~0xF for entry in listed]:
        raise Failure(f"the image is not for this CPU (0x{signature:x})")


def write(path, data):
    """Writes all of it: one write(2) to a sysfs file moves 4096 bytes at the most."""
    file = os.open(path, os.O_WRONLY)
    try:
        offset = 0
        while offset < len(data):
            offset += os.write(file, data[offset:])
    finally:
        os.close(file)


def upload(device, image, time_limit):
    """One upload; returns what `error` says, empty for success."""
    write(device + "/loading", b"1")
    try:
        write(device + "/data", image)
    except OSError as error:
        # loading must not stay 1: the next client's bytes would come after ours.
        write(device + "/loading", b"-1")
        raise Failure(f"data: {error.strerror}") from error
    write(device + "/loading", b"0")
    # error cannot be read before status is idle.
    deadline = time.monotonic() + time_limit
    while text(device, "status") != "idle":
        if time.monotonic() > deadline:
            raise Failure(f"the update does not end within {time_limit} s; it goes on, look at version later")
        time.sleep(0.01)
    return text(device, "error")


def install(path, version, busy_limit, time_limit):
    device = upload_device()
    current = running_version()
    if current == version:
        return f"{version} runs already"
    with open(path, "rb") as file:
        image = file.read()
    check_machine()
    check_image(image, version, current)
    deadline = time.monotonic() + busy_limit
    error = upload(device, image, time_limit)
    # A TD is being built or migrated: nothing was lost, and it may be over soon.
    while error.endswith(":device-busy") and time.monotonic() < deadline:
        time.sleep(0.1)
        error = upload(device, image, time_limit)
    # Reading it says whether TDX is lost. Then no other try helps, and none is made.
    after = running_version()
    if error:
        raise Failure(f"the update failed ({error}), and {after} runs on")
    # No error does not mean that an image was installed.
    if after != version:
        raise Failure(f"the update reported no error, but the module is {after}")
    return f"updated: {current} -> {after}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("image")
    parser.add_argument("--version", help="the version that the image has")
    parser.add_argument("--busy-limit", type=float, default=60, help="seconds for which device-busy is tried again")
    parser.add_argument("--time-limit", type=float, default=60, help="seconds that an update may take")
    arguments = parser.parse_args()
    version = arguments.version
    if not version:
        found = re.search(r"_(\d+\.\d+\.\d+)\.\w+$", arguments.image)
        if not found:
            parser.error("the file's name tells no version: give --version")
        version = found.group(1)
    try:
        print(install(arguments.image, version, arguments.busy_limit, arguments.time_limit))
    except (Failure, OSError) as error:
        sys.exit(f"update_module.py: {error}")


if __name__ == "__main__":
    main()
