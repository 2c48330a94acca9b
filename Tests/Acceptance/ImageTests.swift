import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// The image verbs as people meet them: words in, files, text and a status out.
@Suite("tdxfs image", .timeLimit(.minutes(20)))
struct ImageTests {
  /// A directory with `name.blob`, forged with four pages, and whatever else a story needs.
  private func workshop(
    _ arguments: String...,
    body: (_ directory: String, _ image: (String...) async throws -> Finished) async throws -> Void
  ) async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    func image(_ words: String...) async throws -> Finished { try await Tdxfs.run(["image"] + words, in: scratch.path) }
    let forged = try await Tdxfs.run(
      ["image", "forge", "--pages", "4", "-o", "a.blob"] + (arguments.isEmpty ? ["--version", "1.5.34"] : arguments),
      in: scratch.path)
    try #require(forged.status == 0 && forged.output.isEmpty && forged.errors.isEmpty, "\(forged)")
    try await body(scratch.path, image)
  }

  /// A line of `inspect` by its name.
  private func line(_ name: String, in finished: Finished) -> String? {
    finished.output.split(separator: "\n").first { $0.hasPrefix("  \(name) ") }.map {
      String($0.dropFirst(name.utf8.count + 2).drop { $0 == " " })
    }
  }

  @Test("inspect tells people what a forged 1.5.34 is: version, build, SVN, CPUs, handoff (tdx-module.md 4.3)")
  func inspect() async throws {
    try await workshop { directory, image in
      let told = try await image("inspect", "a.blob")
      #expect(told.status == 0 && told.errors.isEmpty, "\(told)")
      #expect(told.output.hasPrefix("a.blob\n"))
      #expect(line("version", in: told) == "1.5.34 (told by the module's constants)")
      #expect(line("build", in: told) == "1024 of 2026-03-30")
      #expect(line("SVN", in: told) == "1.15")
      #expect(line("signed by", in: told) == "tdxfs development key (the signature is valid)")
      #expect(
        line("for CPUs", in: told) == "806F8 (Sapphire Rapids), C06F0 (Emerald Rapids), A06F0 (Sierra Forest)")
      #expect(line("handoff", in: told) == "writes 2, reads 0 to 2, no downgrade")
      let bytes = try File.bytes(directory + "/a.blob")
      #expect(bytes.count == 6 * 4096)
      #expect(line("file", in: told)?.hasPrefix("header 0x100, 24576 bytes, checksum 0x") == true)
    }
  }

  @Test("inspect --json tells machines the same")
  func inspectJSON() async throws {
    try await workshop { directory, image in
      let told = try await image("inspect", "--json", "a.blob")
      try File.create(directory + "/report.json", Array(told.output.utf8))
      let script = """
        import hashlib, json
        report = json.load(open("report.json"))
        module = open("a.blob", "rb").read()[8192:]
        assert report["module_sha384"] == hashlib.sha384(module).hexdigest() and report["seamhash_matches"] is True
        print(report["path"], report["version"], report["svn_major"], report["svn_minor"], report["header"],
              report["module_pages"], report["file_bytes"], report["cpus"], report["handoff"], report["problems"],
              report["debug_signed"], report["signature"], report["refused_by_1_5"])
        """
      let read = try await Command.run(["python3", "-c", script], in: directory)
      #expect(
        read.output
          == "a.blob 1.5.34 1 15 0x100 4 24576 ['806F8', 'C06F0', 'A06F0'] "
          + "{'module_hv': 2, 'min_update_hv': 0, 'no_downgrade': True} [] False valid None\n", "\(read)")
    }
  }

  @Test("forge takes every option, and inspect tells it")
  func forgeOptions() async throws {
    try await workshop(
      "--version", "2.0.77", "--cpus", "gnr,0xA06E1", "--svn", "3.200", "--hv", "7", "--min-hv", "3", "--no-downgrade",
      "--built-in-hv", "5", "--debug", "--format", "0x200"
    ) { directory, image in
      let told = try await image("inspect", "a.blob")
      #expect(line("version", in: told)?.hasPrefix("2.0.77 ") == true, "\(told)")
      #expect(line("build", in: told)?.hasSuffix(", debug-signed") == true)
      #expect(line("SVN", in: told) == "3.200")
      #expect(line("for CPUs", in: told) == "A06D0 (Granite Rapids), A06E1 (Granite Rapids-D)")
      #expect(line("handoff", in: told)?.hasPrefix("writes 7, reads 3 to 7, no downgrade") == true)
      #expect(line("handoff", in: told)?.contains("5") == true)
      #expect(line("file", in: told)?.hasPrefix("header 0x200, 24576 bytes") == true)
      #expect(try File.bytes(directory + "/a.blob")[0..<12].elementsEqual([0, 2] + checksum(directory) + magic))
    }
    try await workshop("--version", "1.5.24", "--svn", "9", "--downgrade") { _, image in
      let told = try await image("inspect", "a.blob")
      #expect(line("SVN", in: told) == "1.9")
      #expect(line("handoff", in: told) == "writes 1, reads 0 to 1")
    }
  }

  private let magic = Array("TDX-BLOB".utf8)

  private func checksum(_ directory: String) throws -> [UInt8] { Array(try File.bytes(directory + "/a.blob")[2..<4]) }

  @Test(
    "forge refuses what no image can be, in one line and with status 2",
    arguments: [
      (["--version", "1.4.24"], "neither of the 1.5 line nor 2.0 or above"), (["--version", "new"], "1.5.24"),
      (["--version", "1.5.24", "--hv", "1", "--min-hv", "3"], "the lowest handoff version 3"),
      (["--version", "1.5.24", "--svn", "300"], "an SVN is written like"),
      (["--version", "1.5.24", "--cpus", "spr,xyz"], "'xyz' is no CPU"),
      (["--version", "1.5.24", "--cpus", "none"], "must list a CPU"),
      (["--version", "1.5.24", "--format", "0x300"], "0x100 and 0x200"),
      (["--version", "1.5.24", "--pages", "0"], "1 to 496 pages"),
      (["--version", "1.5.24", "--pages", "497"], "1 to 496 pages"), ([], "--version"),
    ])
  func forgeRefuses(arguments: [String], words: String) async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let finished = try await Tdxfs.run(["image", "forge"] + arguments + ["-o", "a.blob"], in: scratch.path)
    expectLine(finished, status: 2, words)
    #expect(!File.exists(scratch.path + "/a.blob"))
  }

  @Test("verify passes an intact image with status 0, and says what it could not check")
  func verifyPasses() async throws {
    try await workshop { _, image in
      let verified = try await image("verify", "a.blob")
      #expect(verified.status == 0 && verified.errors.isEmpty, "\(verified)")
      #expect(verified.output.hasPrefix("a.blob: passes the checks of a 1.5 loader\n"))
      #expect(verified.output.contains("  skipped  A27      CPU: needs --cpu or --at\n"))
      let more = try await image("verify", "--cpu", "srf", "--from", "1.5.24", "a.blob")
      #expect(more.status == 0 && !more.output.contains("skipped"), "\(more)")
    }
  }

  @Test(
    "verify names the check that fails, with status 1",
    arguments: [
      ("--cpu gnr", "CPU: the CPU is A06D0 (Granite Rapids)"),
      ("--from 2.0.14", "the image's SVN is 1.15 and the running module's 3.7"),
      ("--cpu 0x806f8 --from 2.0.14", "the major SVN must be equal"),
    ])
  func verifyFails(options: String, words: String) async throws {
    try await workshop { directory, _ in
      let arguments = ["image", "verify"] + options.split(separator: " ").map(String.init) + ["a.blob"]
      let verified = try await Tdxfs.run(arguments, in: directory)
      #expect(verified.status == 1 && verified.errors == "tdxfs: 1 of 1 images failed\n", "\(verified)")
      #expect(verified.output.contains(words), "\(verified)")
    }
  }

  @Test("a flipped bit in the module is the hash, one in the sigstruct is the signature; sound ones beside them pass")
  func verifyBroken() async throws {
    try await workshop { directory, image in
      for (name, offset) in [("module", 8192 + 100), ("sigstruct", 4096 + 600)] {
        var bytes = try File.bytes(directory + "/a.blob")
        bytes[offset] ^= 1
        try File.create("\(directory)/\(name)", bytes)
      }
      let verified = try await image("verify", "module", "a.blob", "sigstruct", "nothing")
      #expect(verified.status == 1 && verified.errors == "tdxfs: 3 of 4 images failed\n", "\(verified)")
      let verdicts = verified.output.split(separator: "\n").filter { !$0.hasPrefix(" ") }
      #expect(
        verdicts == [
          "module: fails the checks of a 1.5 loader", "a.blob: passes the checks of a 1.5 loader",
          "sigstruct: fails the checks of a 1.5 loader", "cannot read nothing: No such file or directory",
        ])
      let failed = verified.output.split(separator: "\n").filter { $0.contains("FAILED") }
      #expect(failed.contains { $0.contains("hash of the module") })
      #expect(failed.contains { $0.contains("signature") })
    }
  }

  @Test(
    "verify --at asks a mounted machine: its loader, CPU and running module count, unless the command line says other",
    .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot))
  func verifyAtMachine() async throws {
    try await workshop { _, image in
      try await Machine.mounted("cpu=gnr") { machine async throws in
        let refused = try await image("verify", "--at", machine.root, "a.blob")
        #expect(refused.status == 1)
        #expect(refused.output.hasPrefix("a.blob: fails the checks of a 2.0 loader\n"), "\(refused)")
        #expect(refused.output.contains("the running module's 3.7"))
        #expect(refused.output.contains("the CPU is A06D0 (Granite Rapids)"))
        let other = try await image("verify", "--at", machine.root, "--cpu", "spr", "--from", "1.5.24", "a.blob")
        #expect(other.status == 0, "\(other)")
      }
      try await Machine.mounted { machine async throws in
        let passed = try await image("verify", "--at", machine.root, "a.blob")
        #expect(passed.status == 0 && !passed.output.contains("skipped"), "\(passed)")
      }
    }
  }

  @Test(
    "what verify --at refuses the machine refuses too, too late", .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot))
  func verifyIsTrue() async throws {
    try await workshop("--version", "1.5.34", "--svn", "1.2") { directory, image in
      try await Machine.mounted { machine async throws in
        let refused = try await image("verify", "--at", machine.root, "a.blob")
        #expect(refused.status == 1, "\(refused)")
        #expect(try await machine.update(with: directory + "/a.blob") == "transferring:firmware-invalid\n")
        #expect(try machine.value(of: "lost", in: "why") == "module")
      }
    }
  }

  @Test("catalog makes Intel's layout with all 20 releases, in either format, and refuses a directory that exists")
  func catalog() async throws {
    try await workshop { directory, image in
      let made = try await image("catalog", "c", "--format", "0x200")
      #expect(made.status == 0 && made.output.isEmpty && made.errors.isEmpty, "\(made)")
      let files = try await Command.run(["sh", "-c", "find c -type f | LC_ALL=C sort"], in: directory).output
      let paths = files.split(separator: "\n")
      #expect(paths.count == 21)
      #expect(paths.last == "c/mapping_file.json")
      #expect(paths.contains("c/joined_files/1.5/tdx_module_1.5.05.blob"))
      #expect(paths.contains("c/joined_files/2.0/tdx_module_2.0.18.blob"))
      let told = try await image("inspect", "c/joined_files/1.5/tdx_module_1.5.28.blob")
      #expect(line("file", in: told)?.hasPrefix("header 0x200") == true)
      let json = try await Command.run(
        ["python3", "-c", "import json; print(len(json.load(open('c/mapping_file.json'))['tdx_module_releases']))"],
        in: directory)
      #expect(json.output == "20\n")
      try File.create(directory + "/c/mine", [1])
      expectLine(
        try await image("catalog", "c"), status: 1, "c exists already; name a directory that does not, it will be made")
      #expect(try File.bytes(directory + "/c/mine") == [1])
      expectLine(try await image("catalog", "no/c"), status: 1, "No such file or directory")
    }
  }

  @Test("convert gives the other header and the way back; hash and signature stay valid")
  func convert() async throws {
    try await workshop { directory, image in
      let there = try await image("convert", "a.blob", "--format", "0x200", "-o", "b.blob")
      #expect(there.status == 0 && there.output.isEmpty && there.errors.isEmpty, "\(there)")
      let (old, new) = (try File.bytes(directory + "/a.blob"), try File.bytes(directory + "/b.blob"))
      #expect(new[0..<2].elementsEqual([0, 2]) && new[4..<12].elementsEqual(magic))
      #expect(new[12..<20].elementsEqual([1, 0, 0, 0, 4, 0, 0, 0]))
      #expect(new[4096...] == old[4096...])
      #expect(try await image("verify", "b.blob").status == 0)
      #expect(try await image("convert", "b.blob", "--format", "0x100", "-o", "c.blob").status == 0)
      #expect(try File.bytes(directory + "/c.blob") == old)
    }
  }

  @Test(
    "a converted image is what the merged kernel takes, and its original is not",
    .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot))
  func convertedImageRuns() async throws {
    try await workshop { directory, image in
      #expect(try await image("convert", "a.blob", "--format", "0x200", "-o", "b.blob").status == 0)
      try await Machine.mounted("abi=merged") { machine async throws in
        #expect(try await machine.update(with: directory + "/a.blob") == "transferring:firmware-invalid\n")
        #expect(try machine.read("version") == "1.5.24\n")
        #expect(try await machine.update(with: directory + "/b.blob") == "")
        #expect(try machine.read("version") == "1.5.34\n")
      }
    }
  }

  @Test("convert refuses what the other header can't say, in one line and without a file")
  func convertRefuses() async throws {
    try await workshop { directory, image in
      var bytes = try File.bytes(directory + "/a.blob")
      bytes.removeLast(6)
      bytes.replaceSubrange(16..<20, with: [0xFA, 0x5F, 0, 0])
      try File.create(directory + "/partial.blob", bytes)
      let refused = try await image("convert", "partial.blob", "--format", "0x200", "-o", "b.blob")
      expectLine(
        refused, status: 1,
        "partial.blob has a module of 16378 bytes, which are no whole pages: a 0x200 header can only count pages")
      try File.create(directory + "/long.blob", try File.bytes(directory + "/a.blob") + [0, 0])
      expectLine(
        try await image("convert", "long.blob", "--format", "0x200", "-o", "b.blob"), status: 1,
        "has 24578 bytes and its header says 24576")
      expectLine(
        try await image("convert", "a.blob", "--format", "0x400", "-o", "b.blob"), status: 2, "0x100 and 0x200")
      expectLine(try await image("convert", "a.blob", "--format", "0x200"), status: 2, "--output")
      #expect(!File.exists(directory + "/b.blob"))
    }
  }

  @Test("convert says when it makes a wrong checksum right")
  func convertNotes() async throws {
    try await workshop { directory, image in
      var bytes = try File.bytes(directory + "/a.blob")
      bytes[2] ^= 1
      try File.create(directory + "/a.blob", bytes)
      let converted = try await image("convert", "a.blob", "--format", "0x200", "-o", "b.blob")
      expectLine(converted, status: 0, "note: a.blob had a wrong checksum")
      let told = try await image("inspect", "--json", "b.blob")
      #expect(told.output.contains("\"problems\": []"), "\(told)")
    }
  }

  @Test("bad input: one line that says what the file is, and status 1; wrong words: one line and status 2")
  func badInput() async throws {
    try await workshop { directory, image in
      try File.create(directory + "/empty", [])
      try File.create(directory + "/text", Array(repeating: 0x20, count: 9000))
      try File.create(directory + "/cut", Array(try File.bytes(directory + "/a.blob").prefix(5000)))
      try File.create(directory + "/module", Array(try File.bytes(directory + "/a.blob")[8192...]))
      for verb in [["inspect"], ["convert", "--format", "0x200", "-o", "out"]] {
        for (name, words) in [
          ("empty", "empty is empty"), ("text", "text is no TDX module image"),
          ("cut", "cut is cut off: it has 5000 bytes and should have 24576"), ("nothing", "cannot read nothing"),
          ("module", "module is a module without header and sigstruct"), (".", "cannot read .: Is a directory"),
        ] {
          expectLine(try await Tdxfs.run(["image"] + verb + [name], in: directory), status: 1, words)
        }
      }
      #expect(!File.exists(directory + "/out"))
      expectLine(try await image("inspect"), status: 2, "<file>")
      expectLine(try await image("verify"), status: 2, "<files>")
      expectLine(try await image("verify", "--cpu", "zzz", "a.blob"), status: 2, "'zzz' is no CPU")
      expectLine(try await image("verify", "--from", "1.5.99", "a.blob"), status: 2, "1.5.99 is no public release")
      expectLine(try await image("verify", "--at", directory, "a.blob"), status: 1, "is no tdxfs mount")
      expectLine(try await image("frobnicate"), status: 2, "frobnicate")
    }
  }

  /// Exactly one line on stderr, with `words`, and nothing on stdout.
  private func expectLine(
    _ finished: Finished, status: Int32, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(finished.status == status, "\(finished)", sourceLocation: sourceLocation)
    #expect(finished.output.isEmpty, "\(finished)", sourceLocation: sourceLocation)
    #expect(finished.errors.split(separator: "\n").count == 1, "\(finished)", sourceLocation: sourceLocation)
    #expect(
      finished.errors.hasPrefix("tdxfs: ") && finished.errors.contains(words), "\(finished)",
      sourceLocation: sourceLocation)
  }
}
