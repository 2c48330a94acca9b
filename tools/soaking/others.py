"""Clients that ask nobody: those in each other's way, TDs, nonsense, the dying, and the kernel's test driver."""

import contextlib
import errno
import os
import select
import signal
import time

from machines import GONE, PATIENCE, Lost, opened, read, read_bytes, run, write, write_steps
from readers import UNQUIET, check_form, tolerated
from updates import by_odd_writes, by_sendfile


def upload_anyhow(do):
    """Whatever order of operations, beside others who do the same."""
    image = do.random.choice(do.machine.images)
    with contextlib.suppress(OSError):
        for _ in range(do.random.randrange(1, 12)):
            step = do.random.choice(("1", "0", "-1", "data", "data", "whole", "cancel", "read", "1\n\0"))
            if step == "data":
                offset = do.random.randrange(len(image.bytes))
                with opened(do.machine.upload / "data", os.O_WRONLY) as data:
                    os.pwrite(data, image.bytes[offset:offset + do.random.randrange(1, 9000)], offset)
            elif step == "whole":
                (by_odd_writes if do.random.random() < 0.5 else by_sendfile)(do, image)
            elif step == "cancel":
                write(do.machine.upload / "cancel", "1")
            elif step == "read":
                read_bytes(do.machine.upload / "data")
            else:
                write(do.machine.upload / "loading", step)
    do.pause(0.02)


def cancel(do):
    """Has no effect on an update of TDX."""
    try:
        write(do.machine.upload / "cancel", do.random.choice(("1", "y", "0", "x")))
    except OSError as error:
        do.tolerate(error, {errno.ENODEV, errno.EINVAL})
    do.pause(0.01)


def nonsense(do):
    """Words that must be refused with a reason, and change nothing."""
    name = do.random.choice(("power", "fault/nonsense", "cpu/0/online", "snapshot", "watch"))
    try:
        with opened(do.machine.control / name, os.O_WRONLY | (os.O_CREAT if name.startswith("fault/") else 0)) as file:
            os.write(file, bytes(do.random.randrange(256) for _ in range(do.random.randrange(100))) + b"?" * 24)
    except OSError as error:
        do.tolerate(error, {errno.EINVAL, errno.EBUSY, errno.EFBIG} | tolerated(do, name))
    else:
        raise Lost(f"{do.machine.name}: {name} took nonsense")
    do.pause(0.02)


def watch(do):
    with do.machine.book(do.is_over):
        write(do.machine.control / "watch", do.random.choice(("on", "on", "off")))
    do.pause(0.3)


def verbs(do):
    """The command itself, as people call it."""
    words = do.random.choice((["status"], ["why"], ["log"], ["td", "list"], ["fault", "list"], ["trace"]))
    done = run([do.machine.tdxfs, *words, "--at", do.machine.root])
    if done.returncode != 0 and not (do.machine.has_state or do.machine.has_faults):
        raise Lost(f"{do.machine.name}: tdxfs {' '.join(words)}: {done.stderr.strip()}")
    do.pause(0.1)


def view(do):
    """A tool in a private view of the machine, beside whatever happens to it."""
    machine = do.machine
    script = 'cat /sys/devices/faux/tdx_host/version "/sys/class/firmware/$1/status"; dmesg | tail -n 1; exit 7'
    done = run([machine.tdxfs, "run", "--at", machine.root, "--", "sh", "-euc", script, "sh", machine.upload.name])
    if done.returncode != 7:
        raise Lost(f"{machine.name}: tdxfs run ended with {done.returncode}: {done.stderr.strip()}")
    version, status, log = done.stdout.splitlines(keepends=True)
    for name, text in (("version", version), ("status", status), ("log", log)):
        check_form(machine, name, text)
    do.pause(0.1)


def td_life(do):
    """A TD is built, measured, run and torn down."""
    name = f"td{os.getpid()}"
    place = do.machine.control / "td" / name
    pages = do.random.randrange(1, 4)
    try:
        os.mkdir(place)
        write_steps(place, ["vcpu", f"add-page count={pages} pattern=7", "extend", "finalize", "enter", "rtmr index=2 data=1"])
        measurement = read(place / "mrtd")
        if measurement != do.known.setdefault(pages, measurement):
            raise Lost(f"{do.machine.name}: equal TDs measure {measurement.strip()} and {do.known[pages].strip()}")
        write(place / "reportdata", "nonce")
        if len(read_bytes(place / "report")) != 1024:
            raise Lost(f"{do.machine.name}: a report has not 1024 bytes")
        for name in ("state", "last_exit", "step", "attributes", "rtmr2"):
            read(place / name)
        do.note("TD lived from mkdir to report")
    except OSError as error:
        # Restored, rebooted or lost under it.
        do.tolerate(error, {errno.EINVAL, errno.EBUSY, errno.EEXIST} | UNQUIET | GONE)
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(place)
    do.pause(0.05)


def die_holding(do):
    """A child opens what there is, blocks where it can, and is killed."""
    machine = do.machine
    if machine.is_killed:
        quiet = contextlib.nullcontext()
    else:
        quiet = do.machine_lock() if machine.is_chaotic else machine.book(do.is_over)
    with quiet:
        child = os.fork()
        if child == 0:
            try:
                signal.alarm(PATIENCE)
                hold(do, half_an_upload=not machine.is_killed and not machine.has_faults)
            finally:
                os._exit(0)
        time.sleep(do.random.random() * 0.06)
        os.kill(child, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                raise Lost(f"{machine.name}: a client that was killed does not end")
            time.sleep(0.001)
        if not machine.is_killed:
            write(machine.upload / "loading", "-1")
    do.pause(0.1)


def hold(do, half_an_upload):
    image, held = do.random.choice(do.machine.images), []
    with contextlib.suppress(OSError):
        for place in (do.machine.device, do.machine.upload, do.machine.control, do.machine.control / "td" / "keeper"):
            for name in os.listdir(place) + ["status", "trace", "watch", "log", "why", "snapshot"]:
                for flags in (os.O_RDONLY, os.O_WRONLY):
                    with contextlib.suppress(OSError):
                        held.append(os.open(os.path.join(place, name), flags | os.O_NONBLOCK))
        for file in held:
            with contextlib.suppress(OSError):
                os.read(file, 5000)
        if half_an_upload:
            write(do.machine.upload / "loading", "1")
            with opened(do.machine.upload / "data", os.O_WRONLY) as data:
                for offset in range(0, len(image.bytes) // 2, 3000):
                    os.pwrite(data, image.bytes[offset:offset + 3000], offset)
        waiting = select.poll()
        for file in held:
            waiting.register(file, select.POLLPRI | select.POLLERR)
        waiting.poll(20000)


def test_firmware(do):
    """A device of one's own: made, uploaded to, looked at, removed."""
    driver = do.machine.root / "devices/virtual/misc/test_firmware"
    # The same names in each round: of each that was ever there the host's kernel keeps what it has looked up.
    name = f"fw{do.number}-{do.random.randrange(20)}"
    place = do.machine.root / "class/firmware" / name
    write(driver / "upload_register", name)
    try:
        content = bytes(do.random.randrange(256) for _ in range(do.random.randrange(100, 2048)))
        fault = do.random.choice((
            None, None, "programming:hw-error", "preparing:timeout", "transferring:device-busy", "programming:user-abort"))
        if fault:
            content = b"inject:" + fault.encode() + b"\n" + content[:500]
        write(place / "loading", "1")
        write(place / "data", content)
        write(place / "loading", "0")
        if fault and fault.endswith("user-abort"):
            with contextlib.suppress(OSError):
                write(place / "cancel", "1")
        deadline = time.monotonic() + PATIENCE
        while read(place / "status") != "idle\n":
            if time.monotonic() > deadline:
                raise Lost(f"an upload to {name} did not end")
            with contextlib.suppress(OSError):
                if fault and fault.endswith("user-abort"):
                    write(place / "cancel", "1")
        error = read(place / "error")
        # A cancel may come before its phase.
        if error != (fault + "\n" if fault else "") and not (fault and "abort" in fault and error.endswith(":user-abort\n")):
            raise Lost(f"an upload to {name} with {fault} ended with {error!r}")
        with do.machine_lock():
            write(driver / "config_upload_name", name)
            given = read_bytes(driver / "upload_read")
            if not fault and given[:len(content)] != content:
                raise Lost(f"{name} was given {len(given)} bytes, and not those that were uploaded")
    finally:
        write(driver / "upload_unregister", name)
    if place.exists():
        raise Lost(f"{name} is there after it was unregistered")
