"""Clients that change a machine, and so hold its book: updates of all kinds, power, snapshots, remounts."""

import contextlib
import errno
import os
import re
import signal
import time

from machines import GONE, PATIENCE, Lost, daemons, opened, read, read_bytes, run, write


# Updates. Each gives the image to the upload device in its own way; what becomes of it is judged in one place.


def by_shell(do, image):
    done = run(["sh", "-euc", 'cd "$1"; echo 1 > loading; cat "$2" > data; echo 0 > loading', "sh", do.machine.upload,
                image.path])
    if done.returncode != 0:
        gone = re.search("not connected|abort|No such|I/O error|Input/output|Stale", done.stderr)
        raise OSError(errno.ENOTCONN if gone else errno.EPROTO, done.stderr)


def by_odd_writes(do, image):
    """Descriptors that stay open, and writes of 1 to 9000 bytes, some in several segments."""
    with opened(do.machine.upload / "loading", os.O_RDWR) as loading, opened(do.machine.upload / "data", os.O_RDWR) as data:
        os.pwrite(loading, b"1", 0)
        offset = 0
        while offset < len(image.bytes):
            size = do.random.choice((do.random.randint(1, 9000), 4096, 4096, 4095, 4097))
            chunk = image.bytes[offset:offset + size]
            if do.random.random() < 0.2:
                half = len(chunk) // 2
                offset += os.pwritev(data, [chunk[:half], chunk[half:]], offset)
            else:
                offset += os.pwrite(data, chunk, offset)
        start = do.random.randrange(len(image.bytes))
        if not image.bytes[start:].startswith(os.pread(data, 4096, start)) and not do.machine.is_chaotic:
            raise Lost(f"{do.machine.name}: staged bytes at {start} are not those that were written")
        os.pwrite(loading, b"0", 0)


def by_sendfile(do, image):
    with opened(image.path, os.O_RDONLY) as source, opened(do.machine.upload / "data", os.O_WRONLY) as data:
        write(do.machine.upload / "loading", "1\n")
        offset = 0
        while offset < len(image.bytes):
            offset += os.sendfile(data, source, offset, len(image.bytes) - offset)
        write(do.machine.upload / "loading", "0\n")


def by_dd(do, image):
    write(do.machine.upload / "loading", "1")
    done = run(["dd", f"if={image.path}", f"of={do.machine.upload}/data", f"bs={do.random.choice((512, 4096))}", "status=none",
                "conv=notrunc"])
    if done.returncode != 0:
        raise OSError(errno.ENOTCONN, done.stderr)
    write(do.machine.upload / "loading", "0")


def by_view(do, image):
    """By a shell that sees the machine as its own."""
    script = 'cd "/sys/class/firmware/$1"; echo 1 > loading; cat "$2" > data; echo 0 > loading'
    done = run([do.machine.tdxfs, "run", "--at", do.machine.root, "--", "sh", "-euc", script, "sh", do.machine.upload.name,
                image.path])
    if done.returncode != 0:
        raise Lost(f"{do.machine.name}: tdxfs run ended with {done.returncode}: {done.stderr.strip()}")


def update(do, way):
    """Updates that must succeed, but for TDs that are being built."""
    with do.machine.book(do.is_over) as book:
        for _ in range(3):
            update_once(do, way, book)
            do.count(way.__name__.replace("by_", "update by "))


def update_once(do, way, book):
    machine, image = do.machine, do.random.choice(do.machine.images)
    try:
        way(do, image)
        machine.await_idle()
        error = read(machine.upload / "error")
    except OSError as failure:
        if not machine.is_killed or failure.errno not in GONE | {errno.ENOENT}:
            raise
        do.note("update cut by SIGKILL")
        machine.settle_cut(book, image)
        return
    if error == "":
        book["version"], book["remaining"] = image.version, book["remaining"] - 1
        do.note("update installed")
    elif error == "transferring:device-busy\n":
        do.note("update refused, a TD is being built")
    else:
        raise Lost(f"{machine.name}: {image.version} {way.__name__}: {error.strip()}: "
                   + read(machine.control / "why").splitlines()[0])


def update_shell(do):
    update(do, by_shell)


def update_odd_writes(do):
    update(do, by_odd_writes)


def update_sendfile(do):
    update(do, by_sendfile)


def update_dd(do):
    update(do, by_dd)


def update_view(do):
    update(do, by_view)


# What kernels answer where they refuse an update, and nothing has happened. All others update all the same, or with a CPU
# offline lose TDX.
BUSY, INVALID, ABORTED = "transferring:device-busy\n", "transferring:firmware-invalid\n", "preparing:user-abort\n"
REFUSALS = {
    "header": dict.fromkeys(("v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v10", "selector", "merged"), INVALID),
    "cancelled before": {"v1": ABORTED, "v2": ABORTED},
    "TD build": dict.fromkeys(("v3", "v4", "v5", "v6", "v7", "v8", "v10", "selector"), BUSY),
    "CPU offline": {"v2": INVALID, "v3": BUSY, "v4": BUSY},
}


def update_kernels(do):
    """Updates of kernels that differ, each of which must succeed or be refused in that kernel's own words."""
    machine, image = do.machine, do.random.choice(do.machine.images)
    if not machine.has_tdx:
        return do.pause(0.5)
    way = do.random.choice((by_shell, by_odd_writes, by_sendfile, by_dd))
    hindrance = do.random.choice((None, None, None, *REFUSALS))
    if hindrance == "CPU offline" and machine.abi not in REFUSALS[hindrance]:
        hindrance = None
    with machine.book(do.is_over) as book:
        with hindered(machine, image, hindrance) as image:
            way(do, image)
            machine.await_idle()
            error = read(machine.upload / "error")
        wanted = REFUSALS[hindrance].get(machine.abi, "") if hindrance else ""
        if error != wanted:
            raise Lost(f"{machine.name}: {machine.options} with {hindrance} ends with {error!r}, and should with {wanted!r}: "
                       + read(machine.control / "why").splitlines()[0])
        if not error:
            book["version"], book["remaining"] = image.version, book["remaining"] - 1
        do.note(f"{'refused' if error else 'updated'} by {machine.abi}" + (f", {hindrance}" if hindrance else ""))
    do.count("update of changing kernels")
    do.pause(0.2)


@contextlib.contextmanager
def hindered(machine, image, hindrance):
    """Puts something in the way of an update, for as long as it runs; gives the image to use."""
    td = machine.control / "td" / "hindrance"
    if hindrance == "header":
        # The header's version. Kernels that do not look at it look at the checksum.
        path = machine.directory / "hindered"
        path.write_bytes(bytes([image.bytes[0] ^ 0x40]) + image.bytes[1:])
        image = type(image)(image.version, path)
    elif hindrance == "cancelled before":
        try:
            write(machine.upload / "cancel", "1")
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
    elif hindrance == "TD build":
        os.mkdir(td)
    elif hindrance == "CPU offline":
        write(machine.control / "cpu/1/online", "0")
    yield image
    if hindrance == "TD build":
        os.rmdir(td)
    elif hindrance == "CPU offline":
        write(machine.control / "cpu/1/online", "1")


def upload_given_up(do):
    """Half an image, and then nothing or something else."""
    image = do.random.choice(do.machine.images)
    with do.machine.book(do.is_over):
        write(do.machine.upload / "loading", "1")
        with opened(do.machine.upload / "data", os.O_WRONLY) as data:
            for offset in range(0, do.random.randrange(len(image.bytes)), 4096):
                os.pwrite(data, image.bytes[offset:offset + 4096], offset)
        write(do.machine.upload / "loading", do.random.choice(("-1", "-1\n", "7")))
        if read(do.machine.upload / "loading") != "0\n":
            raise Lost(f"{do.machine.name}: loading is not 0 after an upload was given up")


def upload_broken(do):
    """An image with a flipped bit or a wrong length."""
    machine, image = do.machine, do.random.choice(do.machine.images)
    bytes = bytearray(image.bytes)
    kind = do.random.choice(("flipped", "cut", "longer", "header"))
    if kind == "cut":
        bytes = bytes[:do.random.randrange(len(bytes))]
    elif kind == "longer":
        bytes += b"\0" * do.random.randrange(1, 9000)
    else:
        bytes[do.random.randrange(64 if kind == "header" else len(bytes))] ^= 1 << do.random.randrange(8)
    path = machine.directory / "broken"
    path.write_bytes(bytes)
    with machine.book(do.is_over) as book:
        by_shell(do, type(image)(image.version, path)) if bytes else None
        judge(do, book, image)


def update_with_fault(do):
    """A fault plan, and an update under it."""
    machine, image = do.machine, do.random.choice(do.machine.images)
    plan = do.random.choice((
        "stage=install status=EBADHASH rdx=1", "stage=install lp=1 busy=3", "stage=shutdown status=SYS_BUSY",
        "leaf=TDH.SYS.UPDATE busy", "stage=install no-entropy=5", "stage=install no-entropy=always",
        "stage=cpu-init corrupt-handoff", "stage=update corrupt-handoff=data",
        "stage=install bad-page", "stage=transfer delay=20ms", "stage=cpu-init delay=30ms", "stage=receive enomem",
        "stage=prepare enomem", "stage=transfer enomem", "stage=install power-loss", "stage=install vmfailinvalid",
        "stage=update drop-lp lp=1", "leaf=SEAMLDR.INSTALL nth=2 status=0x8000000000020001 executed",
        f"p=0.02 seed={do.random.randrange(99)} busy",
    ))
    with machine.book(do.is_over) as book:
        place = machine.control / "fault" / "soak"
        with opened(place, os.O_WRONLY | os.O_CREAT) as file:
            os.write(file, plan.encode())
        with contextlib.suppress(OSError):
            by_odd_writes(do, image)
        machine.await_idle()
        os.unlink(place)
        do.note("fault " + plan.split(" seed")[0])
        if any(word in plan for word in ("enomem", "power-loss", "drop-lp")):
            machine.reboot(book)
            write_online(machine, 1, "1")
        else:
            judge(do, book, image, has_faults=True)


def judge(do, book, image, has_faults=False):
    """What a machine is after an upload that may have failed: as it was, or updated, or without its module until reboot."""
    machine = do.machine
    machine.await_idle()
    why = machine.lines("why")
    found = (machine.version(), machine.remaining()) if why.get("lost", "none") == "none" else None
    before, after = (book["version"], book["remaining"]), (image.version, book["remaining"] - 1)
    error = read(machine.upload / "error")
    if error == "" and found == after or error != "" and has_faults and found == (before[0], before[1] - 1):
        book["version"], book["remaining"] = found
    elif found is None:
        do.note("TDX lost by a broken image or a fault, rebooted")
        machine.reboot(book)
    elif found != before:
        raise Lost(f"{machine.name}: after {error!r} version and updates are {found}, and were {before}: {why}")


def write_online(machine, cpu, value):
    with contextlib.suppress(OSError):
        write(machine.control / "cpu" / str(cpu) / "online", value)


def reboot(do):
    with do.machine.book(do.is_over) as book:
        do.machine.reboot(book)
    do.pause(0.1)


def snapshot(do):
    """Saved, changed, and taken back."""
    machine, image = do.machine, do.random.choice(do.machine.images)
    with machine.book(do.is_over) as book:
        before = dict(book)
        saved = machine.directory / "saved"
        if do.random.random() < 0.5:
            done = run([machine.tdxfs, "snapshot", "save", saved, "--at", machine.root])
            if done.returncode != 0:
                raise Lost(f"{machine.name}: {done.stderr}")
        else:
            saved.write_bytes(read_bytes(machine.control / "snapshot"))
        by_sendfile(do, image)
        machine.await_idle()
        done = run([machine.tdxfs, "snapshot", "restore", saved, "--at", machine.root])
        if done.returncode != 0:
            raise Lost(f"{machine.name}: {done.stderr}")
        book.update(before)
    do.pause(0.05)


def fork(do):
    """A second machine is what the first one was, whatever becomes of that one meanwhile."""
    with do.machine.book(do.is_over) as book:
        second, book = do.machine.fork(), dict(book)
    second.check(book)
    pids = list(daemons(second.root))
    if len(pids) != 1:
        raise Lost(f"{second.name} has {len(pids)} daemons")
    done = run(["umount", second.root])
    if done.returncode != 0:
        raise Lost(f"{second.name} cannot be unmounted: {done.stderr.strip()}")
    second.await_end(pids[0])
    do.pause(0.2)


def offline(do):
    """A CPU goes, an update is refused or waits for nothing, and the CPU comes back."""
    machine, image = do.machine, do.random.choice(do.machine.images)
    with machine.book(do.is_over) as book:
        write_online(machine, 1, "0")
        with contextlib.suppress(OSError):
            by_odd_writes(do, image)
        judge(do, book, image)
        write_online(machine, 1, "1")


def remount(do):
    """The daemon is told to end, or its mount is taken away, and the machine is mounted from its state file at once."""
    machine = do.machine
    with machine.book(do.is_over):
        end(machine, do.random.choice(("term", "int", "umount", "abort")))
    do.pause(0.3)


def remount_killed(do):
    """SIGKILL without asking anybody."""
    do.pause(0.2 + do.random.random() * 0.5)
    if not do.is_over():
        end(do.machine, "kill")


def end(machine, how):
    pid = machine.pid
    if how == "umount":
        run(["umount", "-l", machine.root])
    elif how == "abort":
        run(["umount", "-f", machine.root])
        run(["umount", "-l", machine.root])
    else:
        os.kill(pid, {"term": signal.SIGTERM, "int": signal.SIGINT, "kill": signal.SIGKILL}[how])
    # A detached mount lives until the last client has closed its files.
    if how != "umount":
        machine.await_end(pid)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            said = machine.mount()
            break
        except Lost as failure:
            if how != "umount" or "another tdxfs keeps" not in str(failure) or time.monotonic() > deadline:
                raise
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    if ("removed the dead mount" in said) != (how == "kill"):
        raise Lost(f"{machine.name}: mounted again after {how} it said {said!r}")
