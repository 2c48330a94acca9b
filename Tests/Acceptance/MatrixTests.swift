import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What decides over an update, by hand from kernel-abi.md: the paths and the SHUTDOWN flag from table 3.4, the header
/// from 3.4 and 4.3, the hybrid `selector` from 3.5. All kernels of the series stand here, also those that this build
/// does not have.
private struct Kernel {
  enum Flag { case never, ifKnown, always }
  let upload: String
  /// Files below /sys/devices/faux/tdx_host.
  let files: Set<String>
  let header: String
  let flag: Flag

  static let all: [String: Kernel] = [
    "v1": Kernel(upload: "seamldr_upload", files: [], header: "0x100", flag: .never),
    "v2": Kernel(upload: "seamldr_upload", files: seamldrDirectory, header: "0x100", flag: .never),
    "v3": Kernel(upload: "seamldr_upload", files: seamldrDirectory, header: "0x100", flag: .ifKnown),
    "v4": Kernel(upload: "tdx_module", files: seamldrDirectory, header: "0x100", flag: .ifKnown),
    "v5": Kernel(upload: "tdx_module", files: seamldrDirectory, header: "0x100", flag: .ifKnown),
    "v6": Kernel(upload: "tdx_module", files: seamldrDirectory, header: "0x100", flag: .ifKnown),
    "v7": Kernel(upload: "tdx_module", files: seamldrDirectory, header: "0x100", flag: .ifKnown),
    "v8": Kernel(upload: "tdx_module", files: flat, header: "0x100", flag: .always),
    "v9": Kernel(upload: "tdx_module", files: flat, header: "0x200", flag: .always),
    "v10": Kernel(upload: "tdx_module", files: flat, header: "0x200", flag: .always),
    "merged": Kernel(upload: "tdx_module", files: flat, header: "0x200", flag: .never),
    "selector": Kernel(
      upload: "seamldr_upload", files: seamldrDirectory.union(["num_remaining_updates"]), header: "0x100",
      flag: .ifKnown),
  ]

  private static let seamldrDirectory: Set = ["version", "seamldr/version", "seamldr/num_remaining_updates"]
  private static let flat: Set = ["version", "seamldr_version", "num_remaining_updates"]

  /// Whether a running module survives the kernel's TDH.SYS.SHUTDOWN operand (5.2): bit 16 is known from 1.5.24 and
  /// 2.0.14 on.
  func canShutDown(_ module: String) -> Bool {
    let knowsFlag = ["1.5.24", "1.5.25", "1.5.28", "1.5.34", "2.0.14", "2.0.16", "2.0.18"].contains(module)
    return flag != .always || knowsFlag
  }

  /// What Intel's selector looks for (3.5); nil for other clients.
  private static let needs: [String: (upload: String, files: Set<String>)] = [
    "selector-old": ("seamldr_upload", ["version", "seamldr/version"]),
    "selector-hybrid": ("seamldr_upload", ["version", "seamldr/version", "num_remaining_updates"]),
    "selector-new": ("tdx_module", ["version", "seamldr_version", "num_remaining_updates"]),
  ]

  /// The words that a cell may have. `firmware` is what the firmware makes of the image once it gets it, `isWanted`
  /// whether a selector would install it.
  func expected(
    _ client: String, module: String, header: String, firmware: String = "ok", isWanted: Bool = true
  ) -> [String] {
    if let needs = Self.needs[client] {
      // It reads, decides, and only then looks for the upload.
      guard needs.files.isSubset(of: files) else { return ["no-file"] }
      guard isWanted else { return ["skipped"] }
      guard needs.upload == upload else { return ["no-file"] }
    }
    // The first page alone never adds up to an image (4.3). Of v9 the reference says both that the page counts are
    // compared with the size and that they are not.
    if client == "short-write" { return self.header == header && isV9 ? ["refused", "lost"] : ["refused"] }
    guard self.header == header, canShutDown(module) else { return ["refused"] }
    return [firmware]
  }

  private var isV9: Bool { header == "0x200" && flag == .always }
}

/// A cell of `tdxfs matrix --json`.
private struct Cell: CustomStringConvertible {
  let client, program, kernel, module, image, header, result, verdict, before, after, lost: String
  let reason: String

  var description: String {
    "\(client) on \(kernel), \(image) in \(header) onto \(module): \(result) (\(verdict), \(before) to \(after)), \(reason)"
  }

  /// The cells of a matrix with `arguments`, read by a JSON parser that is not ours.
  static func matrix(
    _ arguments: [String], intel: String = "", sourceLocation: SourceLocation = #_sourceLocation
  ) async throws -> [Cell] {
    let finished = try await Command.run(
      [try Tdxfs.binary(), "matrix", "--json"] + arguments, variables: ["TDXFS_INTEL_BINARIES": intel], seconds: 240)
    try #require(finished.status == 0, "\(finished)", sourceLocation: sourceLocation)
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    try File.create(scratch.path + "/matrix.json", Array(finished.output.utf8))
    let names =
      "client program kernel module image_version image_header result client_verdict version_before version_after lost "
      + "reason"
    let table = try await Command.run([
      "python3", "-c",
      "import json, sys\nfor cell in json.load(open(sys.argv[1]))['cells']:\n"
        + "  print('\\t'.join(str(cell[name]) for name in sys.argv[2].split()))",
      scratch.path + "/matrix.json", names,
    ])
    try #require(table.status == 0, "\(table)", sourceLocation: sourceLocation)
    return table.output.split(separator: "\n").map { line in
      let words = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      return Cell(
        client: words[0], program: words[1], kernel: words[2], module: words[3], image: words[4], header: words[5],
        result: words[6], verdict: words[7], before: words[8], after: words[9], lost: words[10], reason: words[11])
    }
  }

  /// How the kernel's version file has a version: v1 and v2 without padding (3.4).
  private func shown(_ version: String) -> String {
    guard ["v1", "v2"].contains(kernel) else { return version }
    return version.split(separator: ".").compactMap { Int($0) }.map(String.init).joined(separator: ".")
  }

  /// Compares the cell with the words that it may have, and the rest of what it tells with the word.
  func check(_ words: [String], sourceLocation: SourceLocation = #_sourceLocation) {
    #expect(words.contains(result), "\(self), expected \(words)", sourceLocation: sourceLocation)
    #expect(!reason.isEmpty, "\(self)", sourceLocation: sourceLocation)
    let (belief, version, loss): (String, String, String) =
      switch result {
      case "ok": ("succeeded", shown(image), "none")
      case "lost": ("failed", "None", "module")
      case "refused": ("failed", shown(module), "none")
      default: (result, shown(module), "none")
      }
    #expect(verdict == belief && before == shown(module), "\(self)", sourceLocation: sourceLocation)
    #expect(after == version && lost == loss, "\(self)", sourceLocation: sourceLocation)
  }
}

@Suite(
  "The matrix tries clients, kernels and images for real",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct MatrixTests {
  private static let clients = [
    "shell", "selector-old", "selector-hybrid", "selector-new", "held-loading", "nul-loading", "rdwr-data",
    "short-write",
  ]

  @Test("every cell of the default matrix is as kernel-abi.md has it: all kernels, all clients, three running modules")
  func everyCell() async throws {
    let cells = try await Cell.matrix([])
    let kernels = Set(cells.map(\.kernel))
    #expect(kernels.isSuperset(of: ["v7", "v8", "merged", "selector"]))
    #expect(Set(cells.map(\.client)) == Set(Self.clients))
    #expect(Set(cells.map(\.module)) == ["1.5.05", "1.5.24", "1.5.28"])
    #expect(Set(cells.map { "\($0.image) \($0.header)" }) == ["1.5.34 0x100", "1.5.34 0x200"])
    #expect(cells.count == kernels.count * Self.clients.count * 3 * 2)
    for cell in cells {
      let kernel = try #require(Kernel.all[cell.kernel], "\(cell.kernel) is in no table")
      cell.check(kernel.expected(cell.client, module: cell.module, header: cell.header))
    }
  }

  @Test("an image for another CPU: selectors leave it alone, everybody else loses TDX where the kernel takes it")
  func wrongCPU() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    for header in ["0x100", "0x200"] {
      let forged = try await Tdxfs.run(
        ["image", "forge", "--version", "1.5.25", "--format", header, "-o", "\(scratch.path)/\(header).blob"])
      #expect(forged.status == 0, "\(forged)")
    }
    try File.create(scratch.path + "/README", Array("no image\n".utf8))
    let cells = try await Cell.matrix(
      ["--images", scratch.path, "--module", "1.5.24", "--clients", "shell,selector-old,selector-new,held-loading"])
    #expect(Set(cells.map(\.header)) == ["0x100", "0x200"])
    for cell in cells {
      let kernel = try #require(Kernel.all[cell.kernel])
      cell.check(
        kernel.expected(cell.client, module: "1.5.24", header: cell.header, firmware: "lost", isWanted: false))
    }
  }

  @Test("the table for people: a line a client, a column a kernel, and the reasons when asked for")
  func text() async throws {
    let words = ["matrix", "--clients", "selector-new,shell", "--kernels", "merged,selector", "--module", "1.5.24"]
    let plain = try await Command.run([try Tdxfs.binary()] + words, variables: ["TDXFS_INTEL_BINARIES": ""])
    #expect(plain.status == 0)
    #expect(
      plain.output == """
        1.5.34 in 0x100 onto 1.5.24 (cpu=spr)
                        merged    selector
          selector-new  refused   no-file
          shell         refused   ok

        1.5.34 in 0x200 onto 1.5.24 (cpu=spr)
                        merged    selector
          selector-new  ok        no-file
          shell         ok        refused

        """)
    let explained = try await Tdxfs.run(words + ["--explain"])
    for sentence in [
      "no-file: there is no /sys/devices/faux/tdx_host/seamldr_version; the client uploaded nothing",
      "the client says that it failed: transferring:firmware-invalid",
      "ok: TDX module 1.5.24 was updated to 1.5.34 on all 2 LPs; 14 updates remain; the client believes that it "
        + "succeeded",
    ] {
      #expect(explained.output.contains(sentence), "\(explained)")
    }
  }

  @Test(
    "wrong words of the command line are one line and status 2, a directory without images is status 1",
    arguments: [
      (["--clients", "shel"], 2, "there is no client 'shel': did you mean shell?"),
      (["--kernels", "v8,v88"], 2, "there is no kernel 'v88': did you mean v8?"),
      (["--module", "1.5.99"], 2, "--module 1.5.99: did you mean 1.5.09?"), (["--module", "new"], 2, "1.5.24"),
      (["--time-limit", "0"], 2, "--time-limit 0"),
      (["--images", "/nowhere"], 1, "cannot read the directory /nowhere"),
      (["--images", "/proc/self/fdinfo"], 1, "there is no image in /proc/self/fdinfo"),
    ] as [([String], Int32, String)])
  func wrongUsage(arguments: [String], status: Int32, words: String) async throws {
    let finished = try await Tdxfs.run(["matrix"] + arguments)
    #expect(finished.status == status, "\(finished)")
    #expect(finished.errors.hasPrefix("tdxfs: ") && finished.errors.contains(words), "\(finished)")
    #expect(finished.errors.split(separator: "\n").count == 1 && finished.output.isEmpty, "\(finished)")
  }

  /// A directory that stands for a checkout of Intel's repository, with a script of our own in it.
  private func checkout(_ script: String, in scratch: TemporaryDirectory) throws -> String {
    // The words by which the revision is known.
    try File.create(
      scratch.path + "/version_select_and_load.py", Array("# /sys/class/firmware/seamldr_upload\n\(script)\n".utf8))
    return scratch.path
  }

  @Test("a client that says it has updated, and has done nothing, is found out")
  func lyingClient() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let intel = try checkout("print('Upgrade Intel TDX module from 1.5.24 to 1.5.34')", in: scratch)
    let cells = try await Cell.matrix(
      ["--clients", "selector-old", "--kernels", "selector", "--module", "1.5.24"], intel: intel)
    #expect(cells.map(\.result) == ["wrong", "wrong"])
    #expect(cells.map(\.program) == ["intel", "intel"])
    #expect(cells.allSatisfy { $0.verdict == "succeeded" && $0.after == "1.5.24" }, "\(cells)")
  }

  @Test("a client that does not end is ended, its cell says so, and the matrix fails; nothing stays behind")
  func timeLimit() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let intel = try checkout("import time\ntime.sleep(1000)", in: scratch)
    let temporary = try TemporaryDirectory()
    defer { temporary.remove() }
    // Other tests mount and unmount meanwhile, in temporary directories of their own.
    func mounts() throws -> [Substring] {
      try File.read("/proc/mounts").split(separator: "\n").filter {
        $0.contains(temporary.path) || $0.contains(scratch.path) || !$0.contains(" /tmp/")
      }
    }
    let before = try mounts()
    let finished = try await Command.run(
      [try Tdxfs.binary(), "matrix", "--time-limit", "1", "--kernels", "selector", "--module", "1.5.24"]
        + ["--clients", "selector-old"],
      variables: ["TDXFS_INTEL_BINARIES": intel, "TMPDIR": temporary.path])
    #expect(finished.status == 1)
    #expect(finished.output.split(separator: "\n").filter { $0 == "  selector-old  timeout" }.count == 2, "\(finished)")
    #expect(
      finished.errors
        == "tdxfs: 2 of 2 cells could not be tried; the first, selector-old on selector: it did not end within 1 seconds\n"
    )
    #expect(try await Command.run(["ls", "-A", temporary.path]).output == "")
    #expect(try mounts() == before)
  }

  @Test("a signal ends the matrix and all of its cells, and nothing stays behind")
  func signal() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let intel = try checkout(
      "import time\nopen('\(scratch.path)/started', 'w').close()\ntime.sleep(1000)", in: scratch)
    let temporary = try TemporaryDirectory()
    defer { temporary.remove() }
    let pid = try Command.spawn(
      ["env", "TMPDIR=\(temporary.path)", "TDXFS_INTEL_BINARIES=\(intel)", try Tdxfs.binary(), "matrix"]
        + ["--clients", "selector-old", "--kernels", "selector"],
      output: "/dev/null", errors: "/dev/null")
    let isRunning = try await eventually { File.exists(scratch.path + "/started") }
    #expect(isRunning)
    kill(pid, SIGTERM)
    var status: Int32 = 0
    waitpid(pid, &status, 0)
    #expect(status == 143 << 8)
    #expect(try await Command.run(["ls", "-A", temporary.path]).output == "")
  }
}

/// Intel's own script and images in the place of ours.
@Suite(
  "The matrix with Intel's script and images",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot),
  .enabled(if: Tdxfs.intelBinaries != nil, "TDXFS_INTEL_BINARIES names no checkout of Intel's repository"),
  .serialized, .timeLimit(.minutes(20)))
struct IntelMatrixTests {
  @Test("the checkout's script has the same words as our client of the same revision")
  func script() async throws {
    let intel = try #require(Tdxfs.intelBinaries)
    let clients = ["--clients", "selector-old,selector-hybrid,selector-new", "--module", "1.5.05"]
    let theirs = try await Cell.matrix(clients, intel: intel)
    let ours = try await Cell.matrix(clients)
    #expect(theirs.map(\.result) == ours.map(\.result))
    #expect(ours.allSatisfy { $0.program == "tdxfs" })
    #expect(Set(theirs.filter { $0.program == "intel" }.map(\.client)).count == 1)
    for cell in theirs {
      let kernel = try #require(Kernel.all[cell.kernel])
      cell.check(kernel.expected(cell.client, module: cell.module, header: cell.header))
    }
  }

  @Test(
    "Intel's images: an older one loses TDX (its SVN is lower), the same and newer ones run, where the kernel takes 0x100",
    arguments: [("1.5", "1.5.05"), ("2.0", "2.0.04")])
  func images(line: String, module: String) async throws {
    let intel = try #require(Tdxfs.intelBinaries)
    let cells = try await Cell.matrix(
      [
        "--images", "\(intel)/joined_files/\(line)", "--module", module, "--clients", "shell,selector-old",
        "--kernels", "v7,v8,merged,selector",
      ], intel: intel)
    #expect(Set(cells.map(\.image)).count == (line == "1.5" ? 7 : 4))
    for cell in cells {
      let kernel = try #require(Kernel.all[cell.kernel])
      let isOlder = cell.image < module
      cell.check(
        kernel.expected(
          cell.client, module: module, header: cell.header, firmware: isOlder ? "lost" : "ok", isWanted: !isOlder))
    }
  }
}
