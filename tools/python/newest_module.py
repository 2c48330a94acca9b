#!/usr/bin/env python3
"""Updates the TDX module of this machine to the newest one that a catalogue has for it.

    newest_module.py DIRECTORY [--list]

DIRECTORY is laid out like Intel's repository: mapping_file.json and joined_files/M.m/tdx_module_M.m.uu.blob. This is a small
client of the kernel's sysfs files (Linux: Documentation/ABI/testing/sysfs-devices-faux-tdx-host); it knows nothing of tdxfs.
"""

import argparse
import glob
import json
import os
import struct
import sys
import time

import cpuid

DEVICE = "/sys/devices/faux/tdx_host"
CPUS = "/sys/devices/system/cpu"
SIGSTRUCT = 0x1000  # The blob's header is one page.


def text(*path):
    with open(os.path.join(*path)) as file:
        return file.read().strip()


def numbers(version):
    return tuple(int(part) for part in version.split("."))


def cpu_signatures(image):
    """Family, model and stepping that the image is for: SEAM_SIGSTRUCT offset 1024 is a count, and 1028 the list."""
    with open(image, "rb") as file:
        file.seek(SIGSTRUCT + 1024)
        (count,) = struct.unpack("<I", file.read(4))
        return [value & ~0xF for (value,) in struct.iter_unpack("<I", file.read(4 * min(count, 255)))]


def loads_here(release, image, seamldr, signature):
    loaders = [numbers(version) for version in release["min_seamldr_versions"]]
    return signature & ~0xF in cpu_signatures(image) and any(
        loader[:2] == seamldr[:2] and loader <= seamldr for loader in loaders)


def keeps_guests(release, current):
    version, minimum = numbers(release["version"]), numbers(release["min_module_version_for_td_preserving"])
    return version[:2] == current[:2] and minimum <= current < version


def upload(image):
    """The conversation with the firmware upload class; returns what `error` says."""
    (device,) = (name for name in glob.glob("/sys/class/firmware/*") if os.path.exists(name + "/remaining_size"))
    for name, content in (("loading", b"1"), ("data", open(image, "rb").read()), ("loading", b"0")):
        with open(os.path.join(device, name), "wb") as file:
            file.write(content)
    deadline = time.monotonic() + 30
    while text(device, "status") != "idle":
        if time.monotonic() > deadline:
            sys.exit("the update does not end")
        time.sleep(0.01)
    return text(device, "error")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("directory", help="mapping_file.json and joined_files/")
    parser.add_argument("--list", action="store_true", help="only list what could be installed")
    arguments = parser.parse_args()

    if text(CPUS, "online") != text(CPUS, "present"):
        sys.exit("some CPUs are offline: an update would lose TDX")
    if int(text(DEVICE, "num_remaining_updates")) == 0:
        sys.exit("no updates remain until the next boot")
    current = text(DEVICE, "version")
    seamldr = numbers(text(DEVICE, "seamldr_version"))
    signature = cpuid.cpuid(1)[0]
    print(f"CPU 0x{signature:08x}, P-SEAMLDR {'%d.%d.%02d' % seamldr}, TDX module {current}")

    with open(os.path.join(arguments.directory, "mapping_file.json")) as file:
        releases = json.load(file)["tdx_module_releases"]
    candidates = []
    for release in sorted(releases, key=lambda release: numbers(release["version"])):
        version = release["version"]
        image = os.path.join(
            arguments.directory, "joined_files", version.rpartition(".")[0], f"tdx_module_{version}.blob")
        if not os.path.exists(image):
            continue
        if loads_here(release, image, seamldr, signature) and keeps_guests(release, numbers(current)):
            candidates.append((version, image))
    print("can be installed while guests run:", " ".join(version for version, _ in candidates) or "nothing newer")
    if arguments.list or not candidates:
        return

    version, image = candidates[-1]
    error = upload(image)
    if error:
        sys.exit(f"the update to {version} failed: {error}")
    after = text(DEVICE, "version")
    if after != version:
        sys.exit(f"the update to {version} reported no error, but the module is {after}")
    print(f"updated: {current} -> {after}")


if __name__ == "__main__":
    main()
