"""Servers that are measured: started, looked at through /proc, and unmounted whatever happens."""

import contextlib
import os
import pathlib
import subprocess
import time


class Failure(Exception):
    """What could not be measured, and why."""


def run(words, **options):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Failure(f"{' '.join(map(str, words))}\nended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def pinned(cpu):
    """What to put before a command that shall run on this CPU: in the real-time class, so that other load that is pinned
    nowhere gives way."""
    return [] if cpu is None else ["taskset", "-c", str(cpu), "chrt", "-f", "1"]


class Server:
    """A FUSE server in the background, as users start it, on the CPU `cpu` if one is given."""

    def __init__(self, command, mountpoint, cpu=None, environment=None):
        self.mountpoint = pathlib.Path(mountpoint)
        self.mountpoint.mkdir(parents=True, exist_ok=True)
        run(pinned(cpu) + list(command), env={**os.environ, **(environment or {})})
        self.pid = next(iter(daemons(self.mountpoint)), None)
        if self.pid is None:
            raise Failure(f"{' '.join(map(str, command))} left no daemon")

    @property
    def upload(self):
        return self.mountpoint / "firmware/tdx_module"

    def stop(self):
        unmount(self.mountpoint)
        deadline = time.monotonic() + 10
        while pathlib.Path(f"/proc/{self.pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.005)

    def memory(self):
        return memory(self.pid)

    def threads(self):
        """CPU seconds of the process and voluntary context switches of all its threads, that is, how often one slept."""
        seconds = switches = 0
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    switches += int(line.split()[1])
        return seconds, switches


def daemons(mountpoint):
    """The ids of the processes that were started with this mount point, or with one below it."""
    wanted = str(mountpoint).encode()
    for process in pathlib.Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if any(word == wanted or word.startswith(wanted + b"/") for word in words):
            yield int(process.name)


def unmount(mountpoint):
    subprocess.run(["umount", "-l", str(mountpoint)], stdin=subprocess.DEVNULL, capture_output=True)


def memory(pid):
    """Megabytes of a process: resident, and its own with its share of what it has in common with others."""
    values = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, amount = line.split(":")
        values[name] = int(amount.split()[0]) / 1024
    return {"rss": values["Rss"], "pss": values["Pss"], "anonymous": values["Anonymous"]}


@contextlib.contextmanager
def server(*arguments, **options):
    one = Server(*arguments, **options)
    try:
        yield one
    finally:
        one.stop()
