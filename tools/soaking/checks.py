"""What must hold of a machine when its clients rest."""

import contextlib
import json
import os
import pathlib
import re
import time

from machines import UPDATES, Lost, daemons, read, read_bytes, write
from readers import QUIET, UNQUIET, check_form, files

# A daemon's own: what it keeps open, its threads, and its memory with a full trace and a few images.
MOST_DESCRIPTORS, MOST_THREADS, MOST_MEMORY = 32, 32, 160
# After so many seconds of load its trace and kernel log are full; from then on its own memory grows by at most so many MB, and
# where operations are watched by their log, which is full at 65 536 lines, and begins anew when it is switched on.
WARM_UP, MOST_GROWTH, WATCHED = 240, 4, 20


class Checks:
    """`outcomes` and `most` count what was looked at, and the most that a daemon had."""

    def check(self, machine):
        if len(machine.mounts()) != 1:
            raise Lost(f"{machine.name} is mounted {len(machine.mounts())} times")
        if list(daemons(machine.root)) != [machine.pid]:
            raise Lost(f"{machine.name}: the daemon was {machine.pid}, and is {list(daemons(machine.root))}")
        self.check_process(machine)
        if machine.has_tdx:
            machine.await_idle()
            status = machine.lines("status")
            # A client that was killed may have left a TD that it was building.
            for name in os.listdir(machine.control / "td"):
                if name != "keeper":
                    os.rmdir(machine.control / "td" / name)
            if status["power"] != "on":
                raise Lost(f"{machine.name}: power is {status['power']}")
            # A snapshot may have been taken, and restored, between a client's creat(2) and its write(2).
            for name in os.listdir(machine.control / "fault"):
                if read(machine.control / "fault" / name) == "":
                    os.unlink(machine.control / "fault" / name)
            if os.listdir(machine.control / "fault"):
                raise Lost(f"{machine.name}: fault plans are left: {os.listdir(machine.control / 'fault')}")
            self.check_log(machine)
            if machine.is_chaotic:
                self.check_from_log(machine)
            else:
                with machine.book() as book:
                    if machine.lines("status")["module"] != book["version"]:
                        raise Lost(f"{machine.name}: status has another module than version")
        self.check_files(machine)
        self.check_trace(machine)

    def check_process(self, machine):
        place = pathlib.Path(f"/proc/{machine.pid}")
        # A thread may end some time after what it was for.
        machine.wait(
            lambda: len(os.listdir(place / "task")) <= MOST_THREADS, f"the daemon has more than {MOST_THREADS} threads", 5)
        status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
        figures = {
            "descriptors": len(os.listdir(place / "fd")), "threads": int(status["Threads"]),
            "MB resident": int(status["VmRSS"].split()[0]) // 1024,
        }
        for name, most in zip(figures, (MOST_DESCRIPTORS, MOST_THREADS, MOST_MEMORY)):
            self.most[name] = max(self.most[name], figures[name])
            if figures[name] > most:
                raise Lost(f"{machine.name}: the daemon has {figures[name]} {name}, more than {most}")
        self.check_growth(machine, (place / "smaps_rollup").read_text())
        for task in (place / "task").iterdir():
            if "\nState:\tD" in (task / "status").read_text():
                raise Lost(f"{machine.name}: a thread of the daemon waits in the kernel: {state(task.name)}")

    def check_growth(self, machine, rollup):
        if machine.memory_of != machine.pid:
            machine.memory, machine.memory_of = [], machine.pid
        now = time.monotonic()
        machine.memory.append((now, int(re.search(r"^Anonymous:\s+(\d+)", rollup, re.M).group(1)) / 1024))
        warm = [size for at, size in machine.memory if at - machine.memory[0][0] >= WARM_UP]
        if len(warm) < 6:
            return
        # What comes and goes, such as a snapshot, is in some rounds only.
        half = len(warm) // 2
        growth, most = min(warm[half:]) - min(warm[:half]), MOST_GROWTH
        if "watch" in machine.kinds:
            most += WATCHED
        else:
            self.most["MB grown"] = max(self.most["MB grown"], round(growth, 1))
        if growth > most:
            raise Lost(f"{machine.name}: the daemon has grown by {growth:.1f} MB, more than {most}: {warm}")

    def check_log(self, machine):
        for line in read(machine.control / "log").splitlines():
            if re.search(r"\bBUG\b|internal error|could not be saved", line) or "WARNING" in line and not machine.has_faults:
                raise Lost(f"{machine.name}: the log says: {line}")

    def check_from_log(self, machine):
        """Where no book is kept the kernel log counts the updates since power-on."""
        done = re.findall(r"version \S+ -> (\S+)$", read(machine.control / "log"), re.M)
        wanted = (done[-1] if done else "1.5.24", UPDATES - len(done))
        if machine.version() != "lost" and (found := (machine.version(), machine.remaining())) != wanted:
            raise Lost(f"{machine.name}: version and updates are {found}, and by the log {wanted}")
        self.outcomes["update installed"] += len(done)
        write(machine.control / "power", "reboot")

    def check_files(self, machine):
        for path in files(machine.root):
            name = os.path.basename(path)
            try:
                check_form(machine, path, read_bytes(path).decode(errors="replace"))
            except OSError as error:
                wanted = QUIET.get(name, set())
                if machine.has_faults:
                    wanted |= UNQUIET
                if error.errno not in wanted:
                    raise Lost(f"{machine.name}: {path} cannot be read: {error}")
            self.outcomes["file checked at rest"] += 1

    def check_trace(self, machine):
        lines = read(machine.control / "trace").splitlines()
        started = False
        for line in lines:
            event = json.loads(line)
            name = event["event"]
            if name in ("power-on", "kexec"):
                started = False
            elif name == "update-start":
                if started:
                    raise Lost(f"{machine.name}: an update starts in the trace before the one before has ended")
                started = True
            elif name == "update-end":
                started = False
        if started:
            raise Lost(f"{machine.name}: in the trace an update has not ended")
        # What was the last record is still there, unless as many came behind it as are kept, or another machine came.
        if machine.saved_trace and len(lines) < 65536 and machine.name in ("v9", "faults"):
            if machine.saved_trace not in lines:
                raise Lost(f"{machine.name}: the trace has lost its record {machine.saved_trace}")
        machine.saved_trace = lines[-1] if lines else None
        self.outcomes["trace record checked"] += len(lines)


def state(pid):
    """What a process does, for people who look for the reason."""
    said = []
    for name in ("status", "wchan", "syscall", "stack"):
        with contextlib.suppress(OSError):
            text = pathlib.Path(f"/proc/{pid}/{name}").read_text()
            said.append(re.search(r"State:\s*(\S)", text).group(1) if name == "status" else " ".join(text.split()[:24]))
    return ", ".join(said)
