import SystemPackage
import Testing

@Suite(
  "Faults, journal and exploring through a mount",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct FaultTests {
  @Test("a plan is a file: echo makes it, cat tells how often it has acted, rm takes it away")
  func files() async throws {
    try await Machine.mounted { machine async throws in
      try await machine.shell(
        "echo 'stage=install lp=2 status=0x8000000000020001 rdx=1 once' > .tdxfs/fault/f1; ls .tdxfs/fault")
      #expect(try await machine.shell("ls .tdxfs/fault") == "f1\n")
      let image = try await Catalog.shared.image("1.5.28")
      #expect(try await machine.update(with: image) == "transferring:firmware-invalid\n")
      #expect(
        try machine.read(".tdxfs/fault/f1")
          == "stage=install lp=2 status=0x8000000000020001 rdx=1 once acted=1\n")
      #expect(try machine.value(of: "lp", in: "why") == "2")
      #expect(try machine.value(of: "status", in: "why") == "EBADHASH 0x8000000000020001")
      #expect(try machine.value(of: "lost", in: "why") == "module")
      #expect(try machine.read(".tdxfs/why").contains("injected by fault plan f1"))
      #expect(machine.errorOfReading("version") == .noSuchAddressOrDevice)
      try machine.write("reboot\n", to: ".tdxfs/power")
      #expect(try machine.read(".tdxfs/fault/f1").hasSuffix("acted=1\n"))
      try await machine.shell("rm .tdxfs/fault/f1; test ! -e .tdxfs/fault/f1")
      #expect(try await machine.update(with: image) == "")
      #expect(try machine.read("version") == "1.5.28\n")
    }
  }

  @Test("nonsense is EINVAL, its reason is in last_error, and no file of it stays")
  func nonsense() async throws {
    try await Machine.mounted { machine async throws in
      let finished = try await Command.run(
        ["sh", "-c", "echo 'stage=install stauts=EBADSIG' | cat > .tdxfs/fault/f1"], in: machine.root)
      #expect(finished.status != 0)
      #expect(finished.errors.contains("Invalid argument"), "\(finished)")
      #expect(try machine.read(".tdxfs/last_error").hasPrefix("fault/f1: 'stauts': did you mean status?"))
      #expect(try await machine.shell("ls .tdxfs/fault") == "")
    }
  }

  @Test("tdxfs fault add, list and clear are its face")
  func verbs() async throws {
    try await Machine.mounted { machine async throws in
      func fault(_ words: String...) async throws -> Finished {
        try await Tdxfs.run(["fault"] + words + ["--at", machine.root])
      }
      #expect(try await fault("add", "f1", "leaf=TDH.SYS.UPDATE", "busy=2").status == 0)
      #expect(try await fault("add", "f2", "stage=cpu-init", "lp=3", "drop-lp").status == 0)
      let refused = try await fault("add", "f3", "lp=4", "busy")
      #expect(refused.status == 1)
      #expect(refused.errors == "tdxfs: fault/f3: lp=4: a number from 0 to 3 is needed\n")
      #expect(
        try await fault("list").output
          == "f1 leaf=TDH.SYS.UPDATE busy=2 acted=0\nf2 stage=cpu-init lp=3 drop-lp acted=0\n")
      #expect(try await fault("clear", "f1").status == 0)
      #expect(try await fault("clear", "f1").errors == "tdxfs: there is no fault/f1\n")
      #expect(try await fault("clear").status == 0)
      #expect(try await fault("list").output == "")
    }
  }

  @Test("a slow stage can be watched by who polls")
  func slow() async throws {
    try await Machine.mounted { machine async throws in
      try machine.write("1", to: "firmware/tdx_module/loading")
      try await machine.shell(
        """
        echo 'stage=transfer delay=4s' > .tdxfs/fault/slow
        cat '\(try await Catalog.shared.image("1.5.28"))' > firmware/tdx_module/data
        echo 0 > firmware/tdx_module/loading
        """)
      let isSeen = try await eventually {
        try machine.read("firmware/tdx_module/status") == "transferring\n"
      }
      #expect(isSeen)
      #expect(machine.errorOfReading("firmware/tdx_module/error") == .resourceBusy)
      let isIdle = try await eventually { try machine.read("firmware/tdx_module/status") == "idle\n" }
      #expect(isIdle)
      #expect(try machine.read("version") == "1.5.28\n")
    }
  }

  @Test("a run that was recorded with a seed is the same to the byte on another mount, and without one")
  func replay() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let file = scratch.path + "/run.jsonl"
    let options = "clock=virtual,order=seed,seed=5,lps=8"
    let catalog = try await Catalog.shared.directory()
    try await Machine.mounted(options) { machine async throws in
      #expect(try await machine.update(with: Catalog.shared.image("1.5.28")) == "")
      _ = try machine.read("num_remaining_updates")
      try await machine.shell("echo 'stage=update corrupt-handoff' > .tdxfs/fault/f1; echo 0 > .tdxfs/cpu/5/online")
      try await machine.shell("echo 1 > .tdxfs/cpu/5/online")
      _ = try await machine.update(with: Catalog.shared.image("1.5.34"))
      try await machine.shell("rm .tdxfs/fault/f1; echo reboot > .tdxfs/power")
      let saved = try await Tdxfs.run(["trace", "--at", machine.root, "--with-images", catalog])
      #expect(saved.status == 0)
      try File.create(file, Array(saved.output.utf8))
    }
    let alone = try await Tdxfs.run(["replay", file])
    #expect(alone.status == 0 && alone.output.hasPrefix("identical: "), "\(alone)")
    try await Machine.mounted(options) { machine async throws in
      let other = try await Tdxfs.run(["replay", file, "--at", machine.root])
      #expect(other.status == 0 && other.output.hasPrefix("identical: "), "\(other)")
      let again = try await Tdxfs.run(["replay", file, "--at", machine.root])
      #expect(again.status == 1 && again.errors.contains("is not fresh"), "\(again)")
    }
    try await Machine.mounted("clock=virtual,seed=6") { machine async throws in
      let other = try await Tdxfs.run(["replay", file, "--at", machine.root])
      #expect(other.status == 1 && other.errors.contains("has other options"), "\(other)")
    }
    let bytes = try File.read(file).replacing("\"dur\":500", with: "\"dur\":501", maxReplacements: 1)
    try File.create(file, Array(bytes.utf8))
    let differs = try await Tdxfs.run(["replay", file])
    #expect(differs.status == 1 && differs.output.hasPrefix("record "), "\(differs)")
  }

  @Test("the Chrome trace is JSON with the documented fields")
  func chrome() async throws {
    try await Machine.mounted { machine async throws in
      _ = try await machine.update(with: Catalog.shared.image("1.5.28"))
      let check = """
        import json, sys
        trace = json.load(sys.stdin)
        events = trace["traceEvents"]
        for e in events:
            assert e["ph"] in "MXi" and "pid" in e and "tid" in e and "name" in e, e
            assert e["ph"] == "M" or "ts" in e, e
            assert e["ph"] != "X" or "dur" in e and "cat" in e, e
        lanes = [e["args"]["name"] for e in events if e["name"] == "thread_name"]
        assert lanes == ["uploads", "lock step", "CPU 0", "CPU 1", "CPU 2", "CPU 3"], lanes
        calls = [e["name"] for e in events if e.get("cat") == "seamcall"]
        assert calls.count("SEAMLDR.INSTALL") == 4 and calls.count("TDH.SYS.UPDATE") == 1, calls
        states = [e["name"] for e in events if e.get("cat") == "lock-step"]
        assert states == ["SHUTDOWN", "CPU_INSTALL", "CPU_INIT", "RUN_UPDATE"], states
        print("good")
        """
      let finished = try await Command.run(
        [
          "sh", "-c", #""$1" trace --format chrome --at . | python3 -c "$2""#, "sh", try Tdxfs.binary(), check,
        ], in: machine.root)
      #expect(finished.output == "good\n", "\(finished)")
    }
  }
}

@Suite("tdxfs explore", .timeLimit(.minutes(20)))
struct ExploreTests {
  @Test("finds nothing on 4 LPs, in all orders and with all single faults")
  func full() async throws {
    let finished = try await Tdxfs.run(["explore", "--lps", "4", "--seed", "1"], seconds: 500)
    #expect(finished.status == 0)
    #expect(finished.output.contains("all 24 orders of each state"), "\(finished)")
    #expect(finished.output.hasSuffix(": nothing found\n"), "\(finished)")
  }

  @Test("samples 64 LPs")
  func samples() async throws {
    let finished = try await Tdxfs.run(["explore", "--lps", "64", "--samples", "25", "--seed", "1"], seconds: 300)
    #expect(finished.output == "64 LPs on v8: 25 updates, sampled: nothing found\n", "\(finished)")
  }

  @Test("tells what breaks an invariant with the command that repeats it, and ends with status 1")
  func finding() async throws {
    let finished = try await Tdxfs.run(["explore", "-o", "abi=v7", "--lps", "2", "--seed", "4"], seconds: 300)
    #expect(finished.status == 1)
    let line = try #require(finished.output.split(separator: "\n").first { $0.contains("repeat: tdxfs ") })
    let words = line.split(separator: " ").dropFirst(2).map(String.init)
    let again = try await Tdxfs.run(words)
    #expect(again.status == 1, "\(again)")
    #expect(again.output.contains("the kernel told of"), "\(again)")
    let wrong = try await Tdxfs.run(["explore", "--lps", "2", "--case", "99999"])
    #expect(wrong.status == 2)
  }
}
