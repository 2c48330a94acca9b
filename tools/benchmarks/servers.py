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


class Server:
    """A FUSE server in the foreground, on the CPU `cpu` if one is given."""

    def __init__(self, command, mountpoint, probe="version", cpu=None, environment=None):
        self.mountpoint = pathlib.Path(mountpoint)
        self.mountpoint.mkdir(parents=True, exist_ok=True)
        pin = [] if cpu is None else ["taskset", "-c", str(cpu)]
        self.process = subprocess.Popen(
            pin + [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})})
        deadline = time.monotonic() + 30
        while not (self.mountpoint / probe).exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Failure(f"{' '.join(map(str, command))} is not usable")
            time.sleep(0.002)

    @property
    def upload(self):
        return self.mountpoint / "firmware/tdx_module"

    def stop(self):
        unmount(self.mountpoint)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def memory(self):
        return memory(self.process.pid)

    def threads(self):
        """CPU seconds of the process and voluntary context switches of all its threads, that is, how often one slept."""
        seconds = switches = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    switches += int(line.split()[1])
        return seconds, switches


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
