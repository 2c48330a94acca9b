"""Rounds of load on several machines, and what must hold at the end of each.

tools/soak calls: soak.py TDXFS WORK SECONDS [--seed N] [--round N] [--only MACHINE,…]
"""

import argparse
import collections
import contextlib
import fcntl
import json
import mmap
import os
import pathlib
import random
import signal
import sys
import time
import traceback

from checks import Checks, state
from clients import KINDS
from fleet import COUNTED_INSIDE, FREE, make_machines, turn
from machines import Lost, Stopped, generator, make_images, write
from updates import end

# Seconds until a client that was told to stop hangs.
LIMIT = 240


class Do:
    """What a client has in its hands."""

    def __init__(self, machine, number, random, stop):
        self.machine, self.number, self.random, self.stop = machine, number, random, stop
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


class Soak(Checks):
    def __init__(self, tdxfs, work, seconds, seed, length, only):
        self.work, self.seconds, self.seed, self.length = pathlib.Path(work), seconds, seed, length
        self.machines = [machine for machine in make_machines(tdxfs, self.work) if not only or machine.name in only]
        if not self.machines:
            sys.exit(f"tools/soak: no machine has one of the names {', '.join(only)}")
        self.counts, self.outcomes, self.losses = collections.Counter(), collections.Counter(), []
        self.running, self.images = {}, {}
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
        do, loss = Do(machine, number, generator(self.seed, round, number), self.stop), None
        try:
            while not do.is_over():
                KINDS[kind](do)
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
                end(turn(machine, number), "term")
                self.open(machine)
        for index, machine in enumerate(self.machines):
            for place, kind in enumerate(machine.kinds):
                self.start_client(machine, kind, index * 100 + place, number)
        deadline = time.monotonic() + self.length
        while time.monotonic() < deadline and not self.stop[0]:
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

    # All of it.

    def run(self):
        random = generator(self.seed)
        for form in (("0x100", "1.5"), ("0x200", "1.5"), ("0x200", "2.0")):
            self.images[form] = make_images(self.machines[0].tdxfs, self.work, *form, random)
        for machine in self.machines:
            machine.mount()
            self.open(machine)
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

    def open(self, machine):
        machine.images = self.images[machine.format]
        if machine.has_tdx and not machine.is_chaotic:
            machine.open_book()
        if "watch" in machine.kinds:
            # Its log is full before the daemon's memory is looked at.
            write(machine.control / "watch", "on")

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
    # The shell ignores it for what it starts in the background, and daemons would inherit that.
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
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
