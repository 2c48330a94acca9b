"""The clients: each kind is a function that does one thing to a machine, and is called over and over in a process of its own.

`do` has what it needs: the machine, a random generator, `count(operation)`, `note(outcome)` and `is_over()`. Kinds that change
the machine hold its book.
"""

import contextlib
import errno
import json
import os
import re
import select
import signal
import subprocess
import time

from machines import GONE, PATIENCE, Lost, Stopped, read, run, write, write_steps

FORMS = {
    "version": r"\d+\.\d+\.\d+\n",
    "seamldr_version": r"\d+\.\d+\.\d+\n",
    "num_remaining_updates": r"\d+\n",
    "compat_capable": r"[01]\n",
    "loading": r"[01]\n",
    "status": r"(idle|receiving|preparing|transferring|programming)\n",
    "error": r"((preparing|transferring|programming):[a-z-]+\n)?",
    "remaining_size": r"\d+\n",
    "uevent": r"([A-Z_]+=\S*\n)*",
    "online": r"(\d+(-\d+)?(,\d+(-\d+)?)*)?\n|[01]\n",
    "runtime_status": r"[a-z]+\n",
    "control": r"(auto|on)\n",
    "why": r"[^\n]+\n(result=.*\n(.+\n)*)?",
    "trace": r"(\{.*\}\n)*",
    "watch": r"(n=\d+ .*\n)*(op=dropped count=\d+\n)?",
    "control status": r"([a-z_]+=.+\n){12}",
    "log": r"(\[ *\d+\.\d{6}\] .*\n)*",
}
# What a reader may meet where there is no fault and nobody reboots.
QUIET = {
    "error": {errno.EBUSY}, "data": {errno.ENODEV, errno.EBUSY}, "autosuspend_delay_ms": {errno.EIO},
    "async": {errno.EIO}, "read_firmware": {errno.EINVAL},
    "upload_read": {errno.EINVAL}, "remaining_size": {errno.EBUSY},
}
# And beside reboots, restored snapshots and lost modules.
UNQUIET = {errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.EIO, errno.EOPNOTSUPP, errno.EACCES, errno.EBUSY}


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


@contextlib.contextmanager
def opened(path, flags):
    file = os.open(path, flags)
    try:
        yield file
    finally:
        os.close(file)


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
        "stage=install status=EBADHASH rdx=1", "stage=install lp=1 busy=3", "stage=shutdown status=SYS_BUSY", "leaf=TDH.SYS.UPDATE busy",
        "stage=install no-entropy=5", "stage=install no-entropy=always", "stage=cpu-init corrupt-handoff", "stage=update corrupt-handoff=data",
        "stage=install bad-page", "stage=transfer delay=20ms", "stage=cpu-init delay=30ms", "stage=receive enomem",
        "stage=prepare enomem", "stage=transfer enomem", "stage=install power-loss", "stage=install vmfailinvalid",
        "stage=update drop-lp lp=1", "leaf=SEAMLDR.INSTALL nth=2 status=0x8000000000020001 executed", f"p=0.02 seed={do.random.randrange(99)} busy",
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


def read_bytes(path):
    with open(path, "rb", buffering=0) as file:
        return b"".join(iter(lambda: file.read(1 << 17), b""))


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


# Clients that ignore each other.

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


# Readers.

def check_form(do, path, text):
    form = FORMS.get(os.path.basename(path))
    if form and not re.fullmatch(form, text):
        raise Lost(f"{do.machine.name}: {path} reads {text[:300]!r}")


def tolerated(do, name):
    machine = do.machine
    return QUIET.get(name, set()) | (UNQUIET if machine.has_faults or machine.is_chaotic else set()) | (
        GONE | {errno.ENOENT} if machine.has_state else set()) | (
        {errno.ENODEV, errno.ENOENT, errno.ESTALE} if "snapshot" in machine.kinds else set())


def files(root):
    """The files below it that can be read."""
    paths = (os.path.join(directory, name) for directory, _, names in os.walk(root) for name in names)
    return [path for path in paths if not os.path.islink(path) and os.lstat(path).st_mode & 0o444]


def read_attribute(do):
    try:
        paths = do.once("paths", lambda: files(do.machine.root))
    except OSError as error:
        return do.tolerate(error, tolerated(do, ""))
    for _ in range(20):
        if not paths:
            return
        path = do.random.choice(paths)
        try:
            with opened(path, os.O_RDONLY) as file:
                text = os.pread(file, do.random.choice((4096, 4096, 1 << 17)), 0)
                os.lseek(file, 0, os.SEEK_SET)
                os.read(file, do.random.randrange(1, 50))
            if os.path.basename(path) != "data":
                check_form(do, path, text.decode(errors="replace"))
            do.count("attribute read")
        except OSError as error:
            do.tolerate(error, tolerated(do, os.path.basename(path)), path)
    do.pause(0.01)


def read_control(do):
    name = do.random.choice(("status", "log", "why", "trace", "watch", "kmsg", "errata", "last_error", "snapshot"))
    try:
        bytes = read_bytes(do.machine.control / name)
    except OSError as error:
        do.tolerate(error, tolerated(do, name))
        return
    if name != "snapshot":
        text = bytes.decode(errors="replace")
        check_form(do, "control status" if name == "status" else name, text)
        if name == "trace":
            for line in text.splitlines()[:: do.random.randrange(1, 200)]:
                json.loads(line)
        if name == "watch":
            numbers = [int(number) for number in re.findall(r"^n=(\d+) ", text, re.M)]
            # Those that have begun and not ended are not there yet.
            if numbers != sorted(set(numbers)):
                raise Lost(f"{do.machine.name}: operations are twice or out of order in watch")
    do.pause(0.02)


def poll(do):
    """Waits for changes of status, and looks at what it is told."""
    try:
        with opened(do.machine.upload / "status", os.O_RDONLY) as file:
            for _ in range(5):
                check_form(do, "status", os.pread(file, 4096, 0).decode())
                waiting = select.poll()
                waiting.register(file, select.POLLPRI | select.POLLERR)
                waiting.poll(do.random.choice((0, 5, 50)))
                do.count("poll of status")
    except OSError as error:
        do.tolerate(error, UNQUIET | GONE)
    do.pause(0.02)


def walk(do):
    """Names, attributes of inodes, links."""
    try:
        for directory, directories, names in os.walk(do.machine.root):
            for name in directories + names:
                path = os.path.join(directory, name)
                with contextlib.suppress(FileNotFoundError):
                    status = os.lstat(path)
                    if status.st_uid != 0:
                        raise Lost(f"{do.machine.name}: {path} belongs to {status.st_uid}")
                    if os.path.islink(path):
                        os.readlink(path)
                do.count("lstat")
        os.statvfs(do.machine.root)
        with contextlib.suppress(FileNotFoundError):
            os.stat(do.machine.root / "no-such-file")
    except OSError as error:
        do.tolerate(error, tolerated(do, ""))
    do.pause(0.2)


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
    quiet = contextlib.nullcontext() if machine.is_killed else do.machine_lock() if machine.is_chaotic else machine.book(do.is_over)
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


# The kernel's test driver.

def test_firmware(do):
    """A device of one's own: made, uploaded to, looked at, removed."""
    driver = do.machine.root / "devices/virtual/misc/test_firmware"
    name = f"fw{os.getpid()}-{do.random.randrange(1000)}"
    place = do.machine.root / "class/firmware" / name
    write(driver / "upload_register", name)
    try:
        content = bytes(do.random.randrange(256) for _ in range(do.random.randrange(100, 2048)))
        fault = do.random.choice((None, None, "programming:hw-error", "preparing:timeout", "transferring:device-busy", "programming:user-abort"))
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
