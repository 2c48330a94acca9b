"""Measures tdxfs beside a C server of libfuse, the host's sysfs and tmpfs, and says which promises hold.

tools/bench builds everything and calls: bench.py TDXFS TOOLS [--quick] [--json FILE]
"""

import argparse
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time

from report import Report, ratio, spread
from servers import Failure, daemons, memory, pinned, run, server, unmount

ATTRIBUTES = [
    "version", "seamldr_version", "num_remaining_updates", "uevent", "firmware/tdx_module/status",
    "firmware/tdx_module/error", "firmware/tdx_module/remaining_size", "firmware/tdx_module/loading",
    "firmware/tdx_module/data",
]
KB = 1000


class Bench:
    def __init__(self, tdxfs, tools, quick):
        self.tdxfs, self.tools, self.quick = pathlib.Path(tdxfs), pathlib.Path(tools), quick
        self.report = Report()
        # A request and its answer are two switches between two processes: on one CPU they cost the least, and the other
        # CPU's load matters the least. Installing needs no client, which is kept out of the way.
        self.cpu, self.other = max(os.sched_getaffinity(0)), min(os.sched_getaffinity(0))
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="tdxfs-bench."))

    # What everything below uses.

    def rounds(self, full, quick=30):
        return quick if self.quick else full

    def client(self, *words, cpu=None):
        """The rows that the client prints, each a list of nanoseconds."""
        output = run(pinned(cpu) + [self.tools / "client", *words])
        return [[int(word) for word in line.split()] for line in output.splitlines()]

    def machine(self, name, options="", **more):
        return server([self.tdxfs, self.work / name, *(["-o", options] if options else [])], self.work / name, **more)

    def baseline(self, **more):
        return server([self.tools / "baseline", self.work / "baseline"], self.work / "baseline", **more)

    def image(self, pages):
        """An image that can follow 1.5.24 and itself for ever. Real ones have 102 to 146 pages in the 1.5 line."""
        path = self.work / f"{pages}.blob"
        if not path.exists():
            run([self.tdxfs, "image", "forge", "--version", "1.5.28", "--pages", pages, "-o", path])
        return path

    # Sections.

    def calls(self):
        report, rounds = self.report, self.rounds(100)
        memory_file = pathlib.Path(tempfile.mkdtemp(prefix="tdxfs-bench.", dir="/dev/shm"))
        try:
            (memory_file / "version").write_text("1.5.24\n")
            with self.machine("tdxfs", cpu=self.cpu) as ours, self.baseline(cpu=self.cpu) as theirs:
                report.section(f"single calls, server and client on CPU {self.cpu}, medians (10 to 90 of 100 rounds)")
                worst = {}
                for call, iterations in (("orc", 60), ("pread", 150)):
                    for name in ATTRIBUTES:
                        # A page of it is read; whoever opens it finds it as it mostly is.
                        is_staged = call == "pread" and name.endswith("/data")
                        if is_staged:
                            self.stage(ours, theirs)
                        a, b = self.client(
                            call, rounds, iterations, ours.mountpoint / name, theirs.mountpoint / name, cpu=self.cpu)
                        if is_staged:
                            self.discard(ours, theirs)
                        quotient = ratio(a, b)
                        worst[call] = max(worst.get(call, (0, "")), (quotient, name.split("/")[-1]))
                        title = {"orc": "open+read+close", "pread": "pread"}[call]
                        report.figure(
                            f"{title} {name.split('/')[-1]}", "us", tdxfs=[v / 1000 for v in a], C=[v / 1000 for v in b],
                            ratio=quotient)
                    a, b = self.client(
                        call, rounds, iterations * 10, "/sys/kernel/uevent_seqnum", memory_file / "version", cpu=self.cpu)
                    report.figure(f"{title} elsewhere", "us", sysfs=[v / 1000 for v in a], tmpfs=[v / 1000 for v in b])
                for call, name, iterations in (
                    ("stat", "version", 500), ("stat", "firmware/tdx_module/data", 100), ("readdir", "", 30)
                ):
                    sysfs = "/sys/kernel/uevent_seqnum" if call == "stat" else "/sys/devices/system/cpu/cpu0"
                    tmpfs = memory_file / ("version" if call == "stat" else "")
                    a, b, c, d = self.client(
                        call, rounds, iterations, ours.mountpoint / name, theirs.mountpoint / name, sysfs, tmpfs, cpu=self.cpu)
                    report.figure(
                        f"{call} {name.split('/')[-1]}", "us", tdxfs=[v / 1000 for v in a], C=[v / 1000 for v in b],
                        sysfs=[v / 1000 for v in c], tmpfs=[v / 1000 for v in d])
                for call, title in (("orc", "open+read+close"), ("pread", "pread")):
                    quotient, name = worst[call]
                    report.promise(f"{title}, the worst attribute ({name}), of the C server's", quotient, 1.05, "x")
                self.uploads(ours, theirs, memory_file)
        finally:
            shutil.rmtree(memory_file)

    def stage(self, *servers):
        for one in servers:
            (one.upload / "loading").write_text("1\n")
            with open(one.upload / "data", "wb", buffering=0) as data:
                data.write(bytes(4096))

    def discard(self, *servers):
        for one in servers:
            (one.upload / "loading").write_text("-1\n")

    def uploads(self, ours, theirs, memory_file):
        report = self.report
        report.section(f"upload, a write(2) a page, server and client on CPU {self.cpu}")
        (memory_file / "loading").touch()
        (memory_file / "data").touch()
        for size in (420, 600, 2000):
            a, b, c = self.client(
                "upload", self.rounds(60), size * KB, ours.upload, theirs.upload, memory_file, cpu=self.cpu)
            report.figure(
                f"upload of {size} KB", "ms", tdxfs=[v / 1e6 for v in a], C=[v / 1e6 for v in b],
                tmpfs=[v / 1e6 for v in c], ratio=ratio(a, b))
            if size == 600:
                report.promise("upload of 600 KB, of the C server's", ratio(a, b), 1.1, "x")
                report.promise("upload of 600 KB", spread(a)[0] / 1e6, 3, "ms")

    def updates(self):
        report = self.report
        report.section(f"updates, server on CPU {self.cpu}, client on CPU {self.other}")
        image, rounds = self.image(115), self.rounds(60)
        medians = {}
        with self.machine("few", "lps=4,updates=65000", cpu=self.cpu) as few, \
                self.machine("some", "lps=64,updates=65000", cpu=self.cpu) as some, \
                self.machine("many", "lps=1024,updates=65000", cpu=self.cpu) as many:
            rows = self.client("update", rounds, image, few.upload, some.upload, many.upload, cpu=self.other)
            for index, lps in enumerate((4, 64, 1024)):
                medians[lps] = rows[2 * index + 1]
                report.figure(
                    f"install of 460 KB on {lps} LPs", "ms", tdxfs=[v / 1e6 for v in rows[2 * index + 1]],
                    upload=[v / 1e6 for v in rows[2 * index]])
            script = "\n".join([
                f"cd {few.upload}", "echo 1 > loading", f"cat {image} > data", "echo 0 > loading",
                "until [ \"$(cat status)\" = idle ]; do :; done", "[ -z \"$(cat error)\" ]"])
            rows = self.client("run", self.rounds(40), "sh", "-euc", script, cpu=self.other)
            report.figure("a whole update by sh, cat and echo", "ms", tdxfs=[v / 1e6 for v in rows[0]])
        report.promise("update on 1024 LPs, of that on 4", ratio(medians[1024], medians[4]), 3, "x")

    def verification(self):
        report, rounds, copies = self.report, self.rounds(40), 60
        report.section(f"verification of an image of 600 KB, {copies} times in one process, on CPU {self.cpu}")
        image = self.image(146)
        ours, theirs = [self.tdxfs, "image", "verify"], [self.tools / "verify"]
        many, one = [image] * (copies + 1), [image]
        rows = self.client(
            "run", rounds, *ours, *many, "--", *theirs, *many, "--", *ours, *one, "--", *theirs, *one, cpu=self.cpu)
        per = [[(a - b) / copies / 1000 for a, b in zip(rows[i], rows[i + 2])] for i in (0, 1)]
        report.figure("verify one image", "us", tdxfs=per[0], openssl=per[1], ratio=ratio(*per))
        report.figure("the command with one image", "ms", tdxfs=[v / 1e6 for v in rows[2]], openssl=[v / 1e6 for v in rows[3]])
        report.promise("verification, of OpenSSL's SHA-384 and RSA", ratio(*per), 1.1, "x")

    def start(self):
        report = self.report
        report.section(f"start, from exec to the first read, all on CPU {self.cpu}")
        places = [self.work / "start-tdxfs", self.work / "start-C"]
        for place in places:
            place.mkdir()
        rows = self.client(
            "start", self.rounds(40), "version", self.tdxfs, places[0], "--", self.tools / "baseline", places[1], cpu=self.cpu)
        ours, theirs = ([v / 1e6 for v in row] for row in rows)
        report.figure("usable", "ms", tdxfs=ours, C=theirs)
        report.promise("usable after exec", spread(ours)[0], 50, "ms")

    def memory_and_idle(self):
        report = self.report
        report.section("memory and rest, pinned nowhere")
        image, small = self.image(115), self.image(1)
        image_size = image.stat().st_size / (1 << 20)
        figures, anonymous, rests = {}, {}, {}
        # The trace has its greatest number of records after 3000 updates, the kernel log after 8192. What grows on is the
        # machine's own: the CPU keeps a nonce of 32 bytes of every module that was loaded, until the power goes.
        full, step, nonce = 9000, 100 if self.quick else 1000, 32 / (1 << 20)
        with self.machine("memory", "updates=20000") as one:

            def look(name):
                now = one.memory()
                figures[name], anonymous[name] = now["rss"], now["anonymous"]

            def update(count):
                # Small images take less time; the last one is whole, so that all looks are at the same.
                if count > 1:
                    self.client("update", count - 1, small, one.upload)
                self.client("update", 1, image, one.upload)

            def rest(name):
                # A worker's thread waits for more work for a second, and ends.
                time.sleep(1.5)
                before, start = one.threads(), time.monotonic()
                time.sleep(2 if self.quick else 10)
                after, seconds = one.threads(), time.monotonic() - start
                rests[name] = after[1] - before[1]
                report.figure(f"{name}, {seconds:.0f} s of rest", "", **{
                    "CPU in 100": (after[0] - before[0]) / seconds * 100, "wake-ups": rests[name]})

            rest("mounted")
            look("idle")
            update(1)
            look("after 1")
            update(full - 1)
            look(f"after {full}")
            for count in range(full + step, full + 10 * step + 1, step):
                update(step)
                look(f"after {count}")
            rest("updated")
        kept = [f"after {count}" for count in range(full, full + 10 * step + 1, step)]
        growth = max(anonymous[name] - anonymous[kept[0]] - index * step * nonce for index, name in enumerate(kept))
        shown = ["idle", "after 1", "after 9000", "after 10000", kept[-1]]
        report.figure("resident, before and after updates", "MB", **{name: figures[name] for name in shown})
        report.figure("of that anonymous", "MB", **{name: anonymous[name] for name in shown})
        report.promise("resident memory, idle", figures["idle"], 16, "MB")
        report.promise("resident memory after 1 update, less the image", figures["after 1"] - image_size, 16, "MB")
        report.promise("resident memory after 10000 updates, less the image", figures["after 10000"] - image_size, 16, "MB")
        report.promise("what trace and log add over 10000 updates", anonymous["after 10000"] - anonymous["after 1"], 3, "MB")
        report.promise(f"growth over {10 * step} updates from {full} on, less nonces", growth, 0.1, "MB")
        report.promise("wake-ups at rest, just mounted", rests["mounted"], 0, "")
        report.promise("wake-ups at rest, after all updates", rests["updated"], 0, "")

    def allocations(self):
        report, reads, found = self.report, 1000, {}
        counter = self.work / "counter"
        environment = {"LD_PRELOAD": str(self.tools / "allocations.so"), "TDXFS_BENCH_ALLOCATIONS": str(counter)}
        count = lambda: int.from_bytes(counter.read_bytes(), "little")
        for name, start in (("tdxfs", lambda: self.machine("allocations", environment=environment)),
                            ("C", lambda: self.baseline(environment=environment))):
            counter.write_bytes(bytes(8))
            with start() as one:
                for call in ("pread", "orc"):
                    for attribute in ATTRIBUTES:
                        # The client makes as many calls again before the first round. The first of two runs warms up.
                        self.client(call, 1, reads, one.mountpoint / attribute)
                        before = count()
                        self.client(call, 1, reads, one.mountpoint / attribute)
                        found.setdefault((name, call), []).append((count() - before) / (2 * reads))
        for call, title in (("pread", "pread"), ("orc", "open+read+close")):
            report.figure(
                f"allocations a {title}, the worst", "", tdxfs=max(found["tdxfs", call]), C=max(found["C", call]))
        # Less than one in a hundred is the trace, which grows until it is full. One a request is libfuse's own.
        for call, title in (("pread", "pread"), ("orc", "open+read+close")):
            beyond = max(a - b for a, b in zip(found["tdxfs", call], found["C", call]))
            report.promise(f"allocations a {title} beyond the C server's", int(max(0, beyond) * 100) / 100, 0, "")

    def readers(self):
        report = self.report
        report.section(f"8 readers beside an upload of 600 KB, server on CPU {self.cpu}, clients on CPU {self.other}")
        with self.machine("beside", cpu=self.cpu) as one:
            alone, beside, reads = self.client(
                "beside", self.rounds(60), 8, 600 * KB, one.mountpoint / "version", one.upload, cpu=self.other)
        report.figure("upload", "ms", alone=[v / 1e6 for v in alone], beside=[v / 1e6 for v in beside])
        reads.sort()
        at = lambda share: float(reads[int(share * (len(reads) - 1))])
        report.figure("a read meanwhile", "us", median=at(0.5), p99=at(0.99), longest=at(1), reads=len(reads))

    def machines(self):
        report = self.report
        count = 1000 if not self.quick else 30
        # One command is one mount, so there are no fewer daemons. They share the program's pages, hence the PSS.
        report.section(f"{count} machines, a daemon each (none serves two), pinned nowhere")
        places = [self.work / "machines" / str(index) for index in range(count)]
        started = []
        try:
            begin = time.monotonic()
            for place in places:
                place.mkdir(parents=True)
                run([self.tdxfs, place])
                started.append(place)
            seconds = time.monotonic() - begin
            total = {"rss": 0, "pss": 0, "anonymous": 0}
            found = list(daemons(self.work / "machines"))
            for process in found:
                for name, value in memory(process).items():
                    total[name] += value
            if len(found) != count:
                raise Failure(f"{len(found)} of {count} daemons are there")
            if any((place / "version").read_text() != "1.5.24\n" for place in places):
                raise Failure("a machine of many shows no version")
        finally:
            for place in started:
                unmount(place)
        report.figure("all of them", "MB", RSS=total["rss"], PSS=total["pss"])
        report.figure("a machine", "MB", RSS=total["rss"] / count, PSS=total["pss"] / count)
        report.figure("mounting them", "ms", each=seconds / count * 1000)

    def run(self):
        sections = [
            self.calls, self.updates, self.verification, self.start, self.memory_and_idle, self.allocations, self.readers,
            self.machines,
        ]
        try:
            for section in sections:
                section()
        finally:
            subprocess.run(["rm", "-rf", "--one-file-system", str(self.work)])
        return self.report.verdicts()

    def circumstances(self):
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
        return {
            "cpu": cpu, "cpus": os.cpu_count(), "kernel": platform.release(), "quick": self.quick,
            "pinning": f"calls, uploads, verification, start: all on CPU {self.cpu}; updates, readers: servers there, "
                       f"clients on CPU {self.other}",
            "load": os.getloadavg()[0],
        }


def main():
    parser = argparse.ArgumentParser(prog="tools/bench")
    parser.add_argument("tdxfs")
    parser.add_argument("tools")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    bench = Bench(arguments.tdxfs, arguments.tools, arguments.quick)
    circumstances = bench.circumstances()
    print(f"{circumstances['cpu']}, {circumstances['cpus']} CPUs, Linux {circumstances['kernel']}, load {circumstances['load']:.1f}")
    begin = time.monotonic()
    try:
        holds = bench.run()
    except Failure as failure:
        print(f"tools/bench: {failure}", file=sys.stderr)
        return 1
    circumstances["seconds"] = time.monotonic() - begin
    if arguments.json:
        bench.report.write(arguments.json, circumstances)
    print(f"\nmeasured in {circumstances['seconds']:.0f} s")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
