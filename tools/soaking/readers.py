"""Clients that read, wait and look about, and what they may find."""

import contextlib
import errno
import json
import os
import re
import select

from machines import GONE, Lost, opened, read_bytes

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


def check_form(machine, path, text):
    form = FORMS.get(os.path.basename(path))
    if form and not re.fullmatch(form, text):
        raise Lost(f"{machine.name}: {path} reads {text[:300]!r}")


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
                check_form(do.machine, path, text.decode(errors="replace"))
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
        check_form(do.machine, "control status" if name == "status" else name, text)
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
                check_form(do.machine, "status", os.pread(file, 4096, 0).decode())
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
