"""Mounted machines, and the book that says what each of them must be.

What changes a machine is done by one client at a time, who holds the machine's book and checks it against the machine before
and after: so what the machine must be is known at any time, whatever else reads, polls, walks and dies beside it.
"""

import contextlib
import copy
import errno
import fcntl
import json
import os
import pathlib
import random
import subprocess
import time

UPDATES = 60000
PATIENCE = 120
# What a client meets when the daemon was killed under it.
GONE = {errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV, errno.EIO, errno.ESTALE}


class Lost(Exception):
    """Something that must hold does not."""


class Stopped(Exception):
    """The round is over."""


def run(words, seconds=PATIENCE, **options):
    """Runs a command that must end in time; gives how it ended and what it said."""
    words = [str(word) for word in words]
    try:
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, **options)
    except subprocess.TimeoutExpired:
        raise Lost(f"{' '.join(words)} did not end within {seconds} s")


def read(path):
    with open(path, "rb", buffering=0) as file:
        return b"".join(iter(lambda: file.read(1 << 20), b"")).decode()


def read_bytes(path):
    with open(path, "rb", buffering=0) as file:
        return b"".join(iter(lambda: file.read(1 << 17), b""))


@contextlib.contextmanager
def opened(path, flags):
    file = os.open(path, flags)
    try:
        yield file
    finally:
        os.close(file)


def write(path, text):
    """One write(2), as echo does it."""
    file = os.open(path, os.O_WRONLY)
    try:
        return os.write(file, text.encode() if isinstance(text, str) else text)
    finally:
        os.close(file)


class Machine:
    def __init__(self, tdxfs, work, name, options, kinds, keeper=False, **traits):
        self.tdxfs, self.name, self.kinds, self.keeper = tdxfs, name, kinds, keeper
        self.directory = work / name
        self.root = self.directory / "mount"
        self.root.mkdir(parents=True)
        # Whether its daemon is killed, keeps its state, has broken images and faults, or has clients who ignore the book.
        self.is_killed = traits.get("killed", False)
        self.has_state = traits.get("state", False) or self.is_killed
        self.is_chaotic = traits.get("chaos", False)
        self.has_faults = traits.get("faults", False)
        self.saved_trace = None
        # When the daemon `memory_of` had how many MB of its own, at the end of each round.
        self.memory, self.memory_of = [], None
        self.become(options, traits.get("layout", {}), traits.get("tdx", True))

    def become(self, options, layout, tdx):
        """Takes other options from the next mount on. `layout` is what is not as v8 has it; `tdx` says whether it can be
        updated, and so has a book."""
        self.options, self.layout, self.has_tdx = options, layout, tdx
        # The header of its images, and their line of versions.
        self.format = layout.get("format", "0x100"), layout.get("line", "1.5")
        self.find_files()

    def find_files(self):
        self.device = self.root / self.layout.get("device", "")
        self.upload = self.device / "firmware" / self.layout.get("upload", "tdx_module")
        self.control = self.root / ".tdxfs"
        self.version_file = self.layout.get("version", "version")
        self.remaining_file = self.layout.get("remaining", "num_remaining_updates")

    @property
    def abi(self):
        return dict(option.split("=", 1) for option in self.options.split(",")).get("abi", "v8")

    def fork(self):
        """A second machine, mounted beside this one, which begins as it."""
        second = copy.copy(self)
        second.name, second.root = f"the fork of {self.name}", self.directory / "fork"
        second.find_files()
        second.root.mkdir(exist_ok=True)
        done = run([self.tdxfs, "snapshot", "fork", second.root, "--at", self.root])
        if done.returncode != 0:
            raise Lost(f"{self.name} could not be forked: {done.stderr.strip()}")
        return second

    # Mount and unmount.

    def mount(self):
        options = self.options + (f",state={self.directory}/state" if self.has_state else "")
        done = run([self.tdxfs, self.root, "-o", options])
        if done.returncode != 0:
            raise Lost(f"{self.name} could not be mounted: {done.stderr.strip()}")
        pids = list(daemons(self.root))
        if len(pids) != 1:
            raise Lost(f"{self.name} has {len(pids)} daemons: {pids}")
        (self.directory / "pid").write_text(str(pids[0]))
        return done.stderr

    @property
    def pid(self):
        return int((self.directory / "pid").read_text())

    def mounts(self):
        return [line for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()
                if line.split(" ")[1] == str(self.root)]

    def await_end(self, pid):
        def has_ended():
            try:
                # Whoever has adopted it may be slow to take note of its end.
                return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
            except OSError:
                return True
        self.wait(has_ended, f"daemon {pid} did not end")

    def wait(self, condition, failure, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise Lost(f"{self.name}: {failure} within {seconds} s")
            time.sleep(0.002)

    def await_served(self):
        def is_served():
            try:
                return read(self.device / self.version_file) != ""
            except OSError:
                return False
        self.wait(is_served, "it was not mounted again")

    # What it says.

    def version(self):
        """The version as a reader sees it; `lost` without a module."""
        try:
            return read(self.device / self.version_file).strip()
        except OSError as error:
            if error.errno == errno.ENXIO:
                return "lost"
            raise

    def remaining(self):
        return int(read(self.device / self.remaining_file))

    def lines(self, file):
        """The key=value lines of a control file."""
        return dict(line.split("=", 1) for line in read(self.control / file).splitlines() if "=" in line)

    def await_idle(self):
        def is_idle():
            try:
                return read(self.upload / "status") == "idle\n"
            except OSError as error:
                # The power was lost, and the device is made anew.
                if self.has_faults and error.errno in (errno.ENOENT, errno.ENODEV, errno.ESTALE):
                    return False
                raise
        try:
            self.wait(is_idle, "an update did not end")
        except Lost as loss:
            raise Lost(f"{loss}; {self.state()}")

    def state(self):
        """What people want to see of a machine that does not go on."""
        said = []
        for path in (self.upload / "status", self.control / "status", self.control / "fault/soak", self.control / "log"):
            try:
                said.append(" ".join(read(path)[-1000:].split("\n")))
            except OSError as error:
                said.append(str(error))
        return "; ".join(said)

    # The book.

    def open_book(self):
        book = {"version": self.version(), "remaining": self.remaining(), "measurement": None}
        if self.keeper:
            book["measurement"] = self.make_keeper()
        self.write_book(book)

    def write_book(self, book):
        (self.directory / "book").write_text(json.dumps(book))

    def read_book(self):
        return json.loads((self.directory / "book").read_text())

    @contextlib.contextmanager
    def book(self, is_over=lambda: False):
        """Holds the book, and so the right to change the machine. It is checked before, and after unless the client died."""
        file = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if is_over():
                raise Stopped()
            book = self.read_book()
            self.retry(lambda: self.check(book))
            yield book
            self.retry(lambda: self.check(book))
            self.write_book(book)
        finally:
            os.close(file)

    def retry(self, action):
        """Does `action` again when the daemon was killed meanwhile."""
        while True:
            try:
                return action()
            except OSError as error:
                if not self.is_killed or error.errno not in GONE | {errno.ENOENT}:
                    raise
            self.await_served()

    def check(self, book):
        """The machine is what the book says."""
        self.await_idle()
        found = (self.version(), self.remaining())
        if found != (book["version"], book["remaining"]):
            raise Lost(f"{self.name}: version and updates are {found}, and should be "
                       f"{(book['version'], book['remaining'])}; why: {read(self.control / 'why').splitlines()[0]}")
        self.check_keeper(book)

    def check_keeper(self, book):
        if not book["measurement"]:
            return
        found = self.measurement()
        if found != book["measurement"]:
            raise Lost(f"{self.name}: the TD that lives on measures {found}, and measured {book['measurement']}")

    def settle_cut(self, book, image):
        """After the daemon was killed in the middle of an update: it has happened, or it has not."""
        self.await_served()
        self.retry(self.await_idle)
        found = self.retry(lambda: (self.version(), self.remaining()))
        if found == (image.version, book["remaining"] - 1):
            book["version"], book["remaining"] = found
        elif found != (book["version"], book["remaining"]):
            raise Lost(f"{self.name}: after a kill version and updates are {found}, from {book}, with {image.version}")

    # The TD that lives through all updates.

    def make_keeper(self):
        write_steps(self.make_td("keeper"), ["vcpu", "add-page count=2", "extend", "finalize", "enter", "rtmr index=2 data=77"])
        return self.measurement()

    def make_td(self, name):
        place = self.control / "td" / name
        os.mkdir(place)
        return place

    def measurement(self):
        place = self.control / "td" / "keeper"
        return [read(place / name).strip() for name in ("alive", "mrtd", "rtmr0", "rtmr2")]

    def reboot(self, book):
        write(self.control / "power", "reboot")
        book["version"], book["remaining"] = "1.5.24", UPDATES
        if self.keeper:
            book["measurement"] = self.make_keeper()


def make_images(tdxfs, work, format, line, generator):
    """Forged images of several versions, each of another size. All of a line can follow each other."""
    images = []
    for version in (f"{line}.{update}" for update in range(28, 33)):
        path = work / f"{version}-{format}.blob"
        done = run([tdxfs, "image", "forge", "--version", version, "--format", format, "--pages",
                    generator.randrange(102, 147), "-o", path])
        if done.returncode != 0:
            raise Lost(f"no image {version}: {done.stderr.strip()}")
        images.append(Image(version, path))
    return images


class Image:
    def __init__(self, version, path):
        self.version, self.path = version, path
        self.bytes = path.read_bytes()


def write_steps(place, steps):
    for step in steps:
        write(place / "step", step)


def daemons(root):
    """The processes that serve this mount point."""
    wanted = str(root).encode()
    for process in pathlib.Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                # tdxfs PLACE …, tdxfs snapshot fork PLACE …
                if words[0].endswith(b"tdxfs") and wanted in words[1:4:2]:
                    yield int(process.name)


def generator(*parts):
    return random.Random(":".join(map(str, parts)))
