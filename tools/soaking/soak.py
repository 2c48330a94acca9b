"""Rounds of load on several machines, and what must hold at the end of each.

tools/soak calls: soak.py TDXFS WORK SECONDS [--seed N] [--round N] [--only MACHINE,…]
"""

import argparse
import collections
import contextlib
import errno
import fcntl
import json
import mmap
import os
import pathlib
import random
import re
import signal
import sys
import time
import traceback

import clients
from clients import check_form, read_bytes
from machines import UPDATES, Lost, Machine, Stopped, daemons, generator, make_images, read

READERS = ["read_attribute", "read_attribute", "read_control", "walk", "poll"]
UPDATERS = ["update_shell", "update_odd_writes", "update_sendfile", "update_dd", "upload_given_up"]
ROTATION = [
    "abi=v1", "abi=v2", "abi=v3", "abi=v4,cpu=emr", "abi=v5,lps=1024", "abi=v6,erratum=seamret_invd_vmcs", "abi=v10,cpu=gnr",
    "abi=v8,td_preserving=off", "abi=selector,layout=sys", "abi=v7,alias=seamldr_upload:seamldr/", "module=1.5.01", "clock=virtual,order=seed,seed=7",
    "updates=0", "cpu=srf,keys=intel", "abi=merged,layout=sys,lps=129",
]
# Kinds that hold no book.
FREE = {*READERS, "nonsense", "cancel", "verbs", "td_life", "upload_anyhow", "test_firmware"}
# Kinds that count what they do themselves.
COUNTED_INSIDE = {"read_attribute", "poll", "walk", "update_shell", "update_odd_writes", "update_sendfile", "update_dd"}
# A daemon's own: what it keeps open, its threads, and its memory with a full trace and a few images.
MOST_DESCRIPTORS, MOST_THREADS, MOST_MEMORY = 32, 32, 160
LIMIT = 240


def make_machines(tdxfs, work):
    updates = f"updates={UPDATES}"
    return [
        Machine(tdxfs, work, "v8", f"lps=4,{updates}", READERS + UPDATERS + [
            "td_life", "die_holding", "cancel", "nonsense", "snapshot", "watch", "verbs"], keeper=True),
        Machine(tdxfs, work, "v9", f"abi=v9,lps=16,cpu=emr,{updates}", READERS + UPDATERS + [
            "td_life", "td_life", "die_holding", "nonsense"], keeper=True, image="0x200"),
        Machine(tdxfs, work, "merged", f"abi=merged,layout=sys,lps=64,order=seed,{updates}", READERS + UPDATERS + [
            "td_life", "snapshot", "watch", "verbs"], keeper=True, image="0x200", device="devices/faux/tdx_host"),
        Machine(tdxfs, work, "faults", f"lps=4,{updates}", READERS + UPDATERS + [
            "update_with_fault", "update_with_fault", "upload_broken", "reboot", "offline", "td_life", "die_holding", "verbs"],
            keeper=True, faults=True),
        Machine(tdxfs, work, "remounted", f"lps=2,{updates}", READERS + UPDATERS[:3] + [
            "remount", "td_life", "die_holding"], keeper=True, state=True),
        Machine(tdxfs, work, "killed", f"lps=2,{updates}", READERS + UPDATERS[:3] + [
            "remount_killed", "td_life", "die_holding"], keeper=True, killed=True),
        Machine(tdxfs, work, "everybody", f"abi=v7,lps=4,{updates}", READERS + ["upload_anyhow"] * 5 + ["td_life", "die_holding"],
            remaining="seamldr/num_remaining_updates", chaos=True, faults=True),
        Machine(tdxfs, work, "test_firmware", "device=test_firmware", READERS[:4] + ["test_firmware"] * 3, tdx=False, faults=True),
        Machine(tdxfs, work, "others", ROTATION[0], READERS, tdx=False, faults=True),
    ]


class Do:
    """What a client has in its hands."""

    def __init__(self, machine, random, stop):
        self.machine, self.random, self.stop = machine, random, stop
        self.counts, self.outcomes, self.known, self.kept = collections.Counter(), collections.Counter(), {}, {}

    def is_over(self):
        return self.stop[0] != 0

    def count(self, operation):
        self.counts[operation] += 1

    def note(self, outcome):
        self.outcomes[outcome] += 1

    def pause(self, seconds):
        end = time.monotonic() + seconds
        while not self.is_over() and time.monotonic() < end:
            time.sleep(0.005)

    def once(self, key, make):
        if key not in self.kept:
            self.kept[key] = make()
        return self.kept[key]

    def tolerate(self, error, wanted, path=None):
        if error.errno not in wanted:
            if path:
                raise Lost(f"{path}: {error}")
            raise error
        self.note(f"met {os.strerror(error.errno)}")
        self.pause(0.002)

    @contextlib.contextmanager
    def machine_lock(self):
        with open(self.machine.directory / "lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class Soak:
    def __init__(self, tdxfs, work, seconds, seed, length, only):
        self.work, self.seconds, self.seed, self.length = pathlib.Path(work), seconds, seed, length
        self.machines = [machine for machine in make_machines(tdxfs, self.work) if not only or machine.name in only]
        if not self.machines:
            sys.exit(f"tools/soak: no machine has one of the names {', '.join(only)}")
        self.counts, self.outcomes, self.losses = collections.Counter(), collections.Counter(), []
        self.running = {}
        self.stop = mmap.mmap(-1, 1)
        self.most = collections.Counter()

    # A round.

    def start_client(self, machine, kind, number, round):
        result = self.work / f"client-{number}"
        child = os.fork()
        if child:
            self.running[child] = (machine, kind, result)
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Not ignored: daemons that it mounts would inherit that.
        signal.signal(signal.SIGINT, lambda *_: None)
        if kind in FREE:
            # They wait for nobody, and would leave little to those who take turns.
            os.nice(10)
        do, loss = Do(machine, generator(self.seed, round, number), self.stop), None
        try:
            while not do.is_over():
                getattr(clients, kind)(do)
                if kind not in COUNTED_INSIDE:
                    do.count(kind.replace("_", " "))
        except Stopped:
            pass
        except BaseException as error:
            loss = f"{machine.name}, {kind}: {error}" + ("" if isinstance(error, Lost) else "\n" + traceback.format_exc())
            # Others would only tell what follows from it.
            self.stop[0] = 1
        result.write_text(json.dumps([do.counts, do.outcomes, loss]))
        os._exit(0)

    def round(self, number):
        self.stop[0] = 0
        for machine in self.machines:
            if machine.name == "others" and number:
                machine.options = ROTATION[number % len(ROTATION)]
                clients.end(machine, "term")
        for index, machine in enumerate(self.machines):
            for place, kind in enumerate(machine.kinds):
                self.start_client(machine, kind, index * 100 + place, number)
        end = time.monotonic() + self.length
        while time.monotonic() < end and not self.stop[0]:
            time.sleep(0.02)
        self.stop[0] = 1
        self.collect()

    def collect(self):
        """Waits for the clients, none of whom may hang, and takes what they have counted."""
        deadline = time.monotonic() + LIMIT
        while self.running and time.monotonic() < deadline:
            child, _ = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                time.sleep(0.005)
                continue
            machine, kind, result = self.running.pop(child, (None, None, None))
            if result is None:
                continue
            try:
                counts, outcomes, loss = json.loads(result.read_text())
            except (OSError, ValueError):
                self.lose(f"{machine.name}, {kind}: the client died without a word")
                continue
            result.unlink()
            self.counts.update(counts)
            self.outcomes.update(outcomes)
            if loss:
                self.lose(loss)
        for child, (machine, kind, _) in list(self.running.items()):
            self.lose(f"{machine.name}, {kind}: the client hangs: {state(child)}")
            os.kill(child, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while self.running and time.monotonic() < deadline:
            child, _ = os.waitpid(-1, os.WNOHANG)
            self.running.pop(child, None)
        for child, (machine, kind, _) in self.running.items():
            self.lose(f"{machine.name}, {kind}: the client cannot even be killed: {state(child)}")
        self.running = {}

    def lose(self, what):
        self.losses.append(what)
        print(f"LOST  {what}", flush=True)

    # What must hold.

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
        status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
        figures = {
            "descriptors": len(os.listdir(place / "fd")), "threads": int(status["Threads"]),
            "MB resident": int(status["VmRSS"].split()[0]) // 1024,
        }
        for name, most in zip(figures, (MOST_DESCRIPTORS, MOST_THREADS, MOST_MEMORY)):
            self.most[name] = max(self.most[name], figures[name])
            if figures[name] > most:
                raise Lost(f"{machine.name}: the daemon has {figures[name]} {name}, more than {most}")
        for task in (place / "task").iterdir():
            if "\nState:\tD" in (task / "status").read_text():
                raise Lost(f"{machine.name}: a thread of the daemon waits in the kernel: {state(task.name)}")

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
        clients.write(machine.control / "power", "reboot")

    def check_files(self, machine):
        for path in clients.files(machine.root):
            name = os.path.basename(path)
            try:
                check_form(Do(machine, None, None), path, read_bytes(path).decode(errors="replace"))
            except OSError as error:
                wanted = clients.QUIET.get(name, set())
                if machine.has_faults:
                    wanted |= clients.UNQUIET
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

    # All of it.

    def run(self):
        random = generator(self.seed)
        images = {form: make_images(self.machines[0].tdxfs, self.work, form, random) for form in ("0x100", "0x200")}
        for machine in self.machines:
            machine.images = images[machine.format]
            machine.mount()
            if machine.has_tdx and not machine.is_chaotic:
                machine.open_book()
        begin, rounds = time.monotonic(), 0
        while not self.losses and (rounds == 0 or time.monotonic() - begin < self.seconds):
            try:
                self.round(rounds)
            except Lost as error:
                self.lose(str(error))
            for machine in self.machines:
                try:
                    self.check(machine)
                except (Lost, OSError, KeyError, ValueError) as error:
                    self.lose(f"{machine.name}, at the end of round {rounds}: {error}")
            rounds += 1
            print(f"round {rounds:3}  {time.monotonic() - begin:6.0f} s  {sum(self.counts.values()):9} operations", flush=True)
        for machine in self.machines:
            try:
                self.close(machine)
            except (Lost, OSError) as error:
                self.lose(f"{machine.name}, at its end: {error}")
        self.report(rounds, time.monotonic() - begin)
        return not self.losses

    def close(self, machine):
        """SIGTERM ends every daemon, and nothing stays mounted; a state file loads once more."""
        for again in (True, False) if machine.has_state else (False,):
            pid = machine.pid
            os.kill(pid, signal.SIGTERM)
            machine.await_end(pid)
            if machine.mounts():
                raise Lost(f"{machine.name} is still mounted")
            if again:
                machine.mount()
                with machine.book():
                    pass

    def report(self, rounds, seconds):
        for title, table in (("what clients did", self.counts), ("what came of it", self.outcomes)):
            print("\n" + title)
            for what, count in sorted(table.items(), key=lambda entry: (-entry[1], entry[0])):
                print(f"{count:10}  {what}")
        print()
        print(f"{sum(self.counts.values())} operations by {sum(len(machine.kinds) for machine in self.machines)} clients of "
              f"{len(self.machines)} machines, {rounds} rounds, {seconds:.0f} s, seed {self.seed}")
        print("at most " + ", ".join(f"{count} {what}" for what, count in self.most.items()) + " of a daemon")
        print("nothing lost" if not self.losses else "lost:\n  " + "\n  ".join(self.losses))


def state(pid):
    """What a process does, for people who look for the reason."""
    said = []
    for name in ("status", "wchan", "syscall", "stack"):
        with contextlib.suppress(OSError):
            text = pathlib.Path(f"/proc/{pid}/{name}").read_text()
            said.append(re.search(r"State:\s*(\S)", text).group(1) if name == "status" else " ".join(text.split()[:24]))
    return ", ".join(said)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tdxfs")
    parser.add_argument("work")
    parser.add_argument("seconds", type=int)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--round", type=int, default=10)
    parser.add_argument("--only", type=lambda names: names.split(","), default=[])
    arguments = parser.parse_args()
    # Ends by an exception, so that the clients end with it; the shell script unmounts.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"seed {arguments.seed}", flush=True)
    soak = Soak(arguments.tdxfs, arguments.work, arguments.seconds, arguments.seed, arguments.round, arguments.only)
    try:
        sys.exit(0 if soak.run() else 1)
    finally:
        soak.stop[0] = 1
        for child in soak.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    main()
