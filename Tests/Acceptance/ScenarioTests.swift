import Testing

/// How an update can end, by hand from kernel-abi.md 5.4 and 3.4, and tdx-module.md 3.10 and 8. It does not look at what the
/// scenario files expect.
private enum Row: String {
  /// 5.4 "header, ENOMEM".
  case header
  /// 5.4 "SHUTDOWN: compat sensitive"; up to v4 also offline CPUs.
  case busy
  /// 5.4 "SHUTDOWN: SYS_BUSY, bad RCX, other".
  case shutdownRefused
  /// 3.10 "after SHUTDOWN, before first INSTALL".
  case beforeInstall
  /// 5.4 "INSTALL: not the last LP fails"; 3.10 "some LPs did INSTALL".
  case someInstalled
  /// 5.4 "INSTALL: last LP, recoverable".
  case recoverable
  /// 5.4 "INSTALL: last LP, unrecoverable".
  case unrecoverable
  /// 5.4 "one present CPU offline".
  case offline
  /// 5.4 "TDH.SYS.INIT".
  case sysInit
  /// 5.4 "TDH.SYS.LP.INIT on some CPU".
  case lpInit
  /// 5.4 "TDH.SYS.UPDATE".
  case sysUpdate
  /// 5.4 "version re-read".
  case reread
  /// 5.4 "Retry after a fatal failure", old module in SHUTDOWN.
  case retry
  /// Nothing failed.
  case success
  /// 2.3: nothing was uploaded, and nobody says so.
  case nothing
  /// 3.4: `cancel` of v1 to v3.
  case aborted
  /// 3.1: the upload device is not there.
  case hidden
  /// DESIGN.md section 5: a new power-on in the middle.
  case power
  /// The same with kexec.
  case kexec
  /// The filesystem is gone.
  case gone

  /// What `scenario run` calls it.
  var results: [String] {
    switch self {
    case .header, .shutdownRefused, .retry: ["refused"]
    case .busy: ["busy"]
    case .beforeInstall, .someInstalled, .recoverable, .unrecoverable, .offline, .sysInit, .lpInit, .sysUpdate: ["lost"]
    case .success, .reread: ["ok"]
    case .nothing: ["nothing"]
    case .aborted: ["aborted"]
    case .hidden: ["hidden"]
    case .power, .kexec: ["cut"]
    case .gone: ["gone"]
    }
  }

  /// TDX is gone until reboot: `version` gives ENXIO, every TD is dead.
  var isLost: Bool { results == ["lost"] || self == .retry }

  /// SEAM_READY and the module's state (3.10); nil where the row does not say.
  var module: (ready: String, state: String)? {
    switch self {
    case .header, .busy, .shutdownRefused, .success, .reread, .nothing, .aborted, .power: ("1", "SYS_READY")
    case .beforeInstall, .recoverable, .retry: ("1", "SYS_SHUTDOWN")
    case .someInstalled, .unrecoverable, .offline: ("0", "-")
    case .sysInit: ("1", "SYSINIT_PENDING")
    case .lpInit, .sysUpdate: ("1", "SYSINIT_DONE")
    case .hidden, .kexec, .gone: nil
    }
  }

  /// What TDH.VP.ENTER answers afterwards (3.10, "code seen by TD/KVM leaves").
  var vpEnter: String? {
    switch self {
    case .beforeInstall, .recoverable, .retry: "TDX_SYS_SHUTDOWN"
    case .someInstalled, .unrecoverable, .offline: "VMfailInvalid"
    case .sysInit, .lpInit, .sysUpdate: "TDX_SYS_NOT_READY"
    case .header, .busy, .shutdownRefused, .success, .reread, .nothing, .aborted, .hidden, .power, .kexec, .gone: nil
    }
  }

  /// Whether an update was taken from the budget (kernel-abi.md 3.2: when the INSTALL session succeeds).
  var costsUpdate: Bool {
    switch self {
    case .success, .reread, .sysInit, .lpInit, .sysUpdate: true
    default: false
    }
  }

  /// What the kernel log of v8 and later says (5.4, 5.5), and what it says nothing of.
  var log: (line: String?, silent: Bool) {
    switch self {
    case .header, .busy, .aborted: (nil, true)
    case .shutdownRefused, .retry: ("virt/tdx: SEAMCALL (0x00000000000000", false)
    case .beforeInstall, .recoverable, .unrecoverable: ("seamldr: SEAMCALL (0x8000000000000001) failed: 0x", false)
    case .sysInit: ("virt/tdx: SEAMCALL (0x0000000000000021) failed: 0x", false)
    case .lpInit: ("virt/tdx: SEAMCALL (0x0000000000000023) failed: 0x", false)
    case .sysUpdate: ("virt/tdx: SEAMCALL (0x0000000000000035) failed: 0x", false)
    case .offline: ("virt/tdx: module not loaded", false)
    case .reread: ("WARNING", false)
    case .someInstalled, .success, .nothing, .hidden, .power, .kexec, .gone: (nil, false)
    }
  }
}

/// A scenario and the row of the reference that it rehearses.
private struct Told {
  let row: Row
  /// `error`; nil for what v8 says of the row (3.3).
  var error: String?
  /// The module after it, where it was updated.
  var to = "1.5.28"
  /// `num_remaining_updates` before the client.
  var budget = 15
  /// The status that the firmware gives (pseamldr.md 3.4, tdx-module.md 2.3).
  var status: String?

  init(_ row: Row, error: String? = nil, to: String = "1.5.28", budget: Int = 15, status: String? = nil) {
    (self.row, self.error, self.to, self.budget, self.status) = (row, error, to, budget, status)
  }

  var expectedError: String {
    if let error { return error }
    switch row {
    case .busy: return "transferring:device-busy"
    case .success, .reread, .nothing, .power: return "None"
    case .hidden, .kexec, .gone: return "*"
    default: return "transferring:firmware-invalid"
    }
  }

  static let all: [String: Told] = [
    // It goes well.
    "happy-path": Told(.success), "happy-path-merged": Told(.success),
    "two-updates": Told(.success, to: "1.5.34", budget: 14),
    "same-version": Told(.success, to: "1.5.24"), "equal-svn-downgrade": Told(.success, to: "2.0.04"),
    "same-stream-mislabelled": Told(.success, to: "1.5.24"), "header-checksum": Told(.success),
    "no-entropy-for-a-while": Told(.success), "cpu-online-again": Told(.success), "slow-update": Told(.success),
    "slow-just-in-time": Told(.success), "slow-too-long": Told(.success), "upload-left-over": Told(.success),
    "upload-running": Told(.success, to: "1.5.34"), "client-killed": Told(.success), "reboot-after": Told(.success),
    "kexec-after": Told(.success), "version-unreadable": Told(.reread),
    "cancel-idle": Told(.success), "cancel-while-loading": Told(.success), "cancel-after": Told(.success),
    "cancel-at-prepare": Told(.success), "cancel-at-transfer": Told(.success), "cancel-at-shutdown": Told(.success),
    "cancel-at-install": Told(.success), "cancel-at-cpu-init": Told(.success), "cancel-at-update": Told(.success),
    "td-build-ends": Told(.success), "td-build-finished": Told(.success), "migration-interrupted-ends": Told(.success),
    "migration-in-progress": Told(.success), "migration-silent-race": Told(.success, to: "1.5.34"),
    "td-build-same-library": Told(.success),
    "td-build-silent-race": Told(.success, to: "1.5.34"), "td-build-old-module": Told(.success),
    "td-survives": Told(.success),
    // Refused, and nothing was touched.
    "image-too-short": Told(.header), "header-signature": Told(.header), "header-version": Told(.header),
    "header-offset": Told(.header), "header-reserved": Told(.header), "header-page-counts": Told(.header),
    "header-checksum-v3": Told(.header), "blob-on-merged": Told(.header), "image-on-v8": Told(.header),
    "upload-cut-short": Told(.header), "no-memory": Told(.header),
    "no-memory-v4": Told(.header, error: "transferring:read-write-error"),
    "updates-zero-v4": Told(.header, error: "transferring:flash-wearout", budget: 0),
    "cpu-offline-v4": Told(.busy), "td-build": Told(.busy), "migration-interrupted": Told(.busy),
    "td-build-starvation": Told(.busy),
    "td-survives-refusal": Told(.header),
    "shutdown-busy": Told(.shutdownRefused, status: "TDX_SYS_BUSY"),
    "shutdown-flag-unknown": Told(.shutdownRefused, to: "1.5.20", status: "TDX_OPERAND_INVALID(RCX)"),
    "handoff-version-unreadable": Told(.shutdownRefused, status: "TDX_SYS_BUSY"),
    "cancel-armed-v2": Told(.aborted, error: "preparing:user-abort"),
    "cancel-v3": Told(.aborted, error: "transferring:user-abort"),
    // Lost in INSTALL.
    "install-first-cpu": Told(.beforeInstall, status: "EUNSPECERR"),
    "install-middle-cpu": Told(.someInstalled, status: "EBADCALL"),
    "loader-contention": Told(.someInstalled, status: "VMfailInvalid"),
    "install-last-cpu": Told(.someInstalled, status: "EUNSPECERR"),
    "install-last-cpu-unrecoverable": Told(.unrecoverable, status: "EBADHASH"),
    "no-entropy-loader": Told(.recoverable, status: "ENOENTROPY"),
    "updates-exhausted": Told(.recoverable, budget: 0, status: "EBADCALL"),
    "updates-zero": Told(.recoverable, budget: 0, status: "EBADCALL"),
    "downgrade": Told(.recoverable, status: "EBADSIG"), "older-svn": Told(.recoverable, status: "EBADSIG"),
    "other-stream": Told(.recoverable, status: "EBADSIG"),
    "other-stream-back": Told(.recoverable, status: "EUNSUPPORTED"),
    "wrong-cpu": Told(.recoverable, status: "EUNSUPCPU"), "below-minimum": Told(.recoverable, status: "EBADHANDOFF"),
    "debug-image": Told(.recoverable, status: "EBADSIG"), "bad-signature": Told(.recoverable, status: "EBADSIG"),
    "bad-signer": Told(.recoverable, status: "EBADSIG"), "sigstruct-malformed": Told(.recoverable, status: "EBADSIG"),
    "image-no-module-pages": Told(.recoverable, status: "EBADPARAM"),
    "image-header-only": Told(.recoverable, status: "EBADPARAM"), "reboot-heals": Told(.recoverable, status: "EBADSIG"),
    // Half of the pages are an image size for which GDT_IDT_OFFSET is outside (A25), before any hash.
    "image-half": Told(.recoverable, status: "EBADSIG"),
    "bad-hash": Told(.unrecoverable, status: "EBADHASH"), "bad-elf": Told(.unrecoverable, status: "EBADPARAM"),
    // Lost afterwards.
    "cpu-offline": Told(.offline, status: "VMfailInvalid"), "cpu-online-after": Told(.offline, status: "VMfailInvalid"),
    "cpu-lost-meanwhile": Told(.offline, status: "VMfailInvalid"),
    "sys-init-fails": Told(.sysInit), "sigstruct-mismatch": Told(.sysInit, status: "TDX_SYS_INCOMPATIBLE_SIGSTRUCT"),
    "no-entropy-for-ever": Told(.sysInit, status: "TDX_RND_NO_ENTROPY"), "cpu-init-fails": Told(.lpInit),
    "handoff-refused": Told(.sysUpdate, status: "TDX_SYS_INVALID_HANDOFF"),
    "td-dies-recoverable": Told(.recoverable, status: "EBADSIG"),
    "td-dies-unrecoverable": Told(.unrecoverable, status: "EBADHASH"),
    "td-dies-some-installed": Told(.someInstalled, status: "EBADCALL"),
    "td-dies-offline": Told(.offline, status: "VMfailInvalid"),
    "td-dies-init": Told(.sysInit), "td-dies-handoff": Told(.sysUpdate, status: "TDX_SYS_INVALID_HANDOFF"),
    "retry-after-loss": Told(.retry, status: "TDX_SYS_SHUTDOWN"),
    // Nothing was uploaded.
    "image-empty": Told(.nothing), "upload-interrupted": Told(.nothing), "upload-aborted": Told(.nothing),
    "upload-stolen": Told(.nothing), "data-before-loading": Told(.nothing), "no-capability": Told(.nothing),
    "no-root": Told(.nothing), "no-memory-staging": Told(.nothing),
    // There is no upload device, or it goes away.
    "erratum": Told(.hidden), "no-td-preserving": Told(.hidden), "no-tdx": Told(.hidden),
    "power-loss-at-prepare": Told(.power), "power-loss-at-shutdown": Told(.power),
    "power-loss-at-install": Told(.power),
    "power-loss-at-cpu-init": Told(.power), "power-loss-at-update": Told(.power), "reboot-midway": Told(.power),
    "td-dies-power": Told(.power),
    "kexec-midway": Told(.kexec), "daemon-killed": Told(.gone),
  ]
}

/// A scenario of `tdxfs scenario run --json`.
private struct Run: CustomStringConvertible {
  let values: [String: String]

  subscript(_ name: String) -> String { values[name] ?? "?" }
  var name: String { self["scenario"] }
  var log: String { self["log"] }
  var description: String { "\(values)" }

  private static let script = """
    import json, sys
    for run in json.load(open(sys.argv[1]))['scenarios']:
      machine = run.pop('machine')
      client = run.pop('client')
      run['client'] = client['status']
      run['log'] = ' / '.join(machine.pop('log'))
      alive = machine.pop('alive')
      run['alive'] = ' '.join(sorted(k for k, v in alive.items() if v))
      machine.pop('exits')
      run['exits'] = ' '.join(str(v) for v in ((run.pop('finally') or {}).get('exits') or {}).values())
      run['dead'] = ' '.join(sorted(k for k, v in alive.items() if not v))
      for name, value in list(run.items()) + list(machine.items()):
        print(name + '\\t' + str(value).replace('\\n', ' ').replace('\\t', ' '))
      print('end')
    """

  /// The reports of `finished`, read by a JSON parser that is not ours.
  static func all(_ finished: Finished) async throws -> [Run] {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    try File.create(scratch.path + "/report.json", Array(finished.output.utf8))
    let table = try await Command.run(["python3", "-c", script, scratch.path + "/report.json"])
    try #require(table.status == 0, "\(table)\n\(finished)")
    var runs: [Run] = []
    var values: [String: String] = [:]
    for line in table.output.split(separator: "\n") {
      let parts = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      if parts == ["end"] {
        runs.append(Run(values: values))
        values = [:]
      } else if parts.count == 2 {
        values[parts[0]] = parts[1]
      }
    }
    return runs
  }
}

@Suite(
  "Scenarios are rehearsed, and their reports agree with the reference",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct ScenarioTests {
  @Test("all scenarios end as their files expect, and as kernel-abi.md 5.4 and tdx-module.md 3.10 and 8 have it")
  func all() async throws {
    let started = ContinuousClock.now
    let finished = try await Tdxfs.run(["scenario", "run", "all", "--json"], seconds: 300)
    let runs = try await Run.all(finished)
    #expect(finished.status == 0, "\(runs.filter { $0["as_expected"] != "True" })\n\(finished.errors)")
    #expect(runs.count >= 40)
    #expect(Set(runs.map(\.name)) == Set(Told.all.keys))
    let exits = Set(runs.flatMap { $0["exits"].split(separator: " ").map(String.init) })
    #expect(exits.isSuperset(of: ["TDX_SYS_SHUTDOWN", "VMfailInvalid", "TDX_SYS_NOT_READY"]))
    print("\(runs.count) scenarios in \(ContinuousClock.now - started)")
    for run in runs {
      let told = try #require(Told.all[run.name], "\(run.name) is in no row of the reference")
      check(run, told)
    }
  }

  private func check(_ run: Run, _ told: Told) {
    let row = told.row
    #expect(run["as_expected"] == "True", "\(run.name): \(run["differences"]) \(run["problems"])")
    #expect(row.results.contains(run["result"]), "\(run.name): \(run["result"]), a row \(row)")
    if told.expectedError != "*" { #expect(run["error"] == told.expectedError, "\(run.name)") }
    if let status = told.status { #expect(run["status"] == status, "\(run.name)") }
    if let module = row.module {
      #expect(run["seam_ready"] == module.ready, "\(run.name)")
      #expect(run["sys_state"] == (module.state == "-" ? "None" : module.state), "\(run.name)")
    }
    if row.isLost {
      #expect(run["version"] == "ENXIO", "\(run.name)")
      #expect(row == .retry || ["module", "tds"].contains(run["lost"]), "\(run.name)")
      #expect(run["alive"].isEmpty, "\(run.name): \(run["alive"]) cannot be alive")
      #expect(run["dead"].isEmpty || run["lost"] == "tds", "\(run.name)")
      for exit in run["exits"].split(separator: " ") {
        #expect(String(exit) == row.vpEnter, "\(run.name)")
      }
    } else if row != .gone {
      #expect(["none", "None"].contains(run["lost"]), "\(run.name)")
      #expect(run["dead"].isEmpty, "\(run.name): \(run["dead"]) cannot be dead")
    }
    if row == .success { #expect(run["module"] == told.to, "\(run.name)") }
    if ![.hidden, .gone, .kexec].contains(row) {
      #expect(run["remaining_updates"] == "\(told.budget - (row.costsUpdate ? 1 : 0))", "\(run.name)")
    }
    if let line = row.log.line, run["status"] != "VMfailInvalid" || row == .offline {
      #expect(run.log.contains(line), "\(run.name): \(run.log)")
    }
    if row.log.silent {
      #expect(!run.log.contains("SEAMCALL") && !run.log.contains("virt/tdx"), "\(run.name): \(run.log)")
    }
    // "Agree" is what anybody would say who knows both sides.
    let isRight =
      run["module"] == run["version_wanted"] && !row.isLost && ![.gone, .power, .kexec, .hidden].contains(row)
    #expect((run["client"] == "0") == (isRight == (run["agree"] == "True")), "\(run.name): \(run["agreement"])")
  }

  @Test("list has one a line, the name first and no heading; show tells a scenario in people's words")
  func listAndShow() async throws {
    let list = try await Tdxfs.run(["scenario", "list"])
    #expect(list.status == 0)
    let names = list.output.split(separator: "\n").compactMap { $0.split(separator: " ").first.map(String.init) }
    #expect(Set(names) == Set(Told.all.keys))
    let show = try await Tdxfs.run(["scenario", "show", "cpu-offline"])
    #expect(show.status == 0)
    for words in ["cpu-offline: A CPU is offline", "offline 3", "echo and cat", "result is lost", "a careful client"] {
      #expect(show.output.contains(words), "\(show)")
    }
  }

  @Test("run reports what the client saw, what really happened, and whether the two agree")
  func report() async throws {
    let lost = try await Tdxfs.run(["scenario", "run", "bad-signature"])
    #expect(lost.status == 0, "\(lost)")
    for words in [
      "exit status 1, says: transferring:firmware-invalid", "loading ← 1; data ← ",
      "error = transferring:firmware-invalid",
      "lost: the P-SEAMLDR refused the image", "status=EBADSIG", "version=ENXIO", "SEAMLDR.INSTALL 4",
      "agree     yes: the client says that it failed (exit status 1); TDX is lost until reboot", "expected  yes",
    ] {
      #expect(lost.output.contains(words), "\(words) is not in \(lost)")
    }
    let blind = try await Tdxfs.run(["scenario", "run", "bad-signature", "--", "sh", "-c", "cat {image} > /dev/null"])
    #expect(blind.status == 1, "\(blind)")
    #expect(blind.output.contains("agree     NO: the client says that it succeeded; nothing was uploaded"))
    #expect(blind.output.contains("result is nothing, not lost"))
  }

  @Test("a client of the user's is run in the place of the scenario's, with the image, its version and a catalogue")
  func foreignClient() async throws {
    let script = Tdxfs.sources + "/mount/examples/update_module.py"
    let finished = try await Tdxfs.run(
      [
        "scenario", "run", "happy-path", "updates-zero", "wrong-cpu", "--explain", "--", "python3", "-B", script,
        "{image}",
      ])
    #expect(finished.status == 0, "\(finished)")
    #expect(finished.output.contains("says: updated: 1.5.24 -> 1.5.28"))
    #expect(finished.output.contains("no updates remain until the next boot"))
    #expect(finished.output.contains("expected  yes: a careful client uploads nothing here"))
    #expect(finished.output.hasSuffix("3 of 3 scenarios ended as expected\n"))
    let words = try await Tdxfs.run([
      "scenario", "run", "happy-path", "--json", "--", "sh", "-c",
      "echo {version} $TDXFS_IMAGE_VERSION; cmp {image} \"$TDXFS_IMAGE\" && ls {catalog}/mapping_file.json; exit 5",
    ])
    let run = try #require(try await Run.all(words).first)
    #expect(words.status == 1)
    #expect(run["client"] == "5" && run["version_wanted"] == "1.5.28", "\(words)")
  }

  @Test("a file that a user has written is run by its path; options are added to its machine")
  func ownFile() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let file = scratch.path + "/mine.scenario"
    try File.create(
      file,
      Array(
        """
        # Two CPUs, and my own idea of an image.
        title: Mine
        machine: lps=2
        image: 1.5.34 svn=1.200
        before: fault slow stage=install delay=20ms
        expect: result=ok version=1.5.34 calls=SEAMLDR.INSTALL:2 client=0
        after: reboot
        finally: version=1.5.24

        """.utf8))
    let finished = try await Tdxfs.run(["scenario", "run", file])
    #expect(finished.status == 0, "\(finished)")
    let merged = try await Tdxfs.run(["scenario", "run", file, "-o", "abi=merged", "--json"])
    let run = try #require(try await Run.all(merged).first)
    #expect(merged.status == 0 && run["abi"] == "merged", "\(merged)")
    try File.create(file, Array("title: Mine\nimage: 1.5.34\nexpect: result=lost version=ENXIO\n".utf8))
    let wrong = try await Tdxfs.run(["scenario", "run", file])
    #expect(wrong.status == 1)
    #expect(wrong.output.contains("line 3: result is ok, not lost; line 3: version is 1.5.34, not ENXIO"), "\(wrong)")
  }

  @Test("a wrong file, name or option is refused in one line, with status 2 or 1")
  func refusals() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let file = scratch.path + "/mine.scenario"
    try File.create(file, Array("title: Mine\nimage: 1.5.34\nexpekt: result=ok\n".utf8))
    func refused(_ words: [String], _ status: Int32, _ reason: String, line: Int = #line) async throws {
      let finished = try await Tdxfs.run(["scenario"] + words)
      #expect(finished.status == status && finished.errors.contains(reason), "\(finished), line \(line)")
      #expect(finished.errors.split(separator: "\n").count == 1, "\(finished)")
    }
    try await refused(["run", file], 2, "\(file):3: there is no key 'expekt': did you mean expect?")
    try await refused(["show", file], 2, "mine.scenario:3:")
    try await refused(["run", scratch.path + "/none.scenario"], 1, "cannot read")
    try await refused(["run", "hapy-path"], 2, "there is no scenario 'hapy-path': did you mean happy-path?")
    try await refused(["run", "happy-path", "-o", "abi=v0"], 2, "abi=v0")
    try await refused(["run"], 2, "names")
  }

  @Test("nothing stays behind on the host")
  func nothingStays() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let finished = try await Command.run(
      [try Tdxfs.binary(), "scenario", "run", "daemon-killed", "client-killed", "happy-path"],
      variables: ["TMPDIR": scratch.path])
    #expect(finished.status == 0, "\(finished)")
    let left = try await Command.run(["ls", "-A", scratch.path])
    #expect(left.output == "", "\(left)")
    #expect(try !File.read("/proc/mounts").contains("/sys/fs/fuse/tdxfs"))
  }
}
