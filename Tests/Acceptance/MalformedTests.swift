import SystemPackage
import Testing

/// A representative of each class of malformed inputs through a real mount: errno and count of real calls, and the reason that
/// `error`, `why` and `last_error` give. What is generated in thousands is below the mount, in each room's `Malformed…Tests`.
@Suite(
  "Malformed inputs through a mount",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct MalformedTests {
  /// One write(2) or pwrite(2), and close(2): "taken N", or the errno's name.
  private func outcome(_ bytes: [UInt8], at offset: Int64? = nil, to path: String) -> String {
    do {
      let file = try FileDescriptor.open(FilePath(path), .writeOnly)
      defer { try? file.close() }
      let count = try bytes.withUnsafeBytes { bytes in
        if let offset { return try file.write(toAbsoluteOffset: offset, bytes) }
        return try file.write(bytes)
      }
      return "taken \(count)"
    } catch let errno as Errno {
      return Self.names[errno] ?? "\(errno)"
    } catch {
      return "\(error)"
    }
  }

  private static let names: [Errno: String] = [
    .invalidArgument: "EINVAL", .operationNotSupportedByDevice: "ENODEV", .fileTooLarge: "EFBIG",
    .permissionDenied: "EACCES",
    .resourceBusy: "EBUSY", .noSuchFileOrDirectory: "ENOENT", .outOfRange: "ERANGE", .notPermitted: "EPERM",
  ]

  // MARK: Texts

  @Test("loading, cancel and data: counts and errnos of kernel-abi.md 2.2 to 2.6")
  func upload() async throws {
    try await Machine.mounted("seed=1") { machine async throws in
      var cases = 0
      func expect(_ text: String, at offset: Int64? = nil, to file: String, _ expected: String) {
        cases += 1
        let found = outcome(Array(text.utf8), at: offset, to: "\(machine.upload())/\(file)")
        #expect(found == expected, "\(file): \(text.prefix(40).debugDescription) at \(offset ?? 0)")
      }
      // Every text is a number, and every number is taken; what is no 0, 1 or -1 ends LOADING.
      let numbers: [(String, isOne: Bool)] = [
        ("1", true), ("1\n", true), ("01", true), ("1junk", true), ("1\0", true), ("4294967297", true), ("1 \n", true),
        ("18446744073709551617", true), ("-1", false), ("2", false), ("-2", false), ("10", false), ("010", false),
        ("2147483648", false), ("9999999999999999999999", false), ("7\n", false),
      ]
      for (text, isOne) in numbers {
        for start in ["1", "-1"] {
          expect(start, to: "loading", "taken \(start.utf8.count)")
          expect(text, to: "loading", "taken \(text.utf8.count)")
          #expect(
            try machine.read("firmware/tdx_module/loading") == (isOne ? "1\n" : "0\n"), "\(text.debugDescription)")
        }
      }
      // These count as 0; with nothing staged they end LOADING and start nothing.
      for text in [" 1", "\t1", "\n1", "+1", "0x1", "abc", "", "-", "--1", "\0" + "1", "0", "-0", "\u{661}"]
      where !text.isEmpty {
        expect("1", to: "loading", "taken 1")
        expect(text, to: "loading", "taken \(text.utf8.count)")
        #expect(try machine.read("firmware/tdx_module/loading") == "0\n", "\(text.debugDescription)")
        #expect(try machine.read("firmware/tdx_module/status") == "idle\n")
      }
      expect("1" + String(repeating: "x", count: 8000), to: "loading", "taken 4096")
      for text in ["1", "y", "Y", "yes", "t", "T", "true", "on", "ON", "oN\n", "1junk"] {
        expect(text, to: "cancel", "ENODEV")
      }
      for text in ["0", "n", "f", "off", "of", "2", "-1", " 1", "\n", "abc", "o", "\0", "\0" + "1", "+1", "\u{7F}"] {
        expect(text, to: "cancel", "EINVAL")
      }
      let limit: Int64 = 64 << 20
      expect("x", at: 1 << 16, to: "data", "taken 1")
      for offset: Int64 in [limit, limit + 1, 1 << 31, 1 << 32, .max - 4096] {
        expect("x", at: offset, to: "data", "EFBIG")
      }
      expect("xx", at: limit - 1, to: "data", "EFBIG")
      expect("x", at: -1, to: "data", "EINVAL")
      expect(String(repeating: "x", count: 9000), to: "data", "taken 4096")
      for file in ["status", "error", "remaining_size"] { expect("x", to: file, "EACCES") }
      for file in ["version", "seamldr_version", "num_remaining_updates"] {
        cases += 1
        #expect(outcome([1], to: machine.root + "/" + file) == "EACCES")
      }
      print("malformed inputs: upload files through a mount: \(cases) cases")
      #expect(cases >= 130)
    }
  }

  @Test("the control directory: EINVAL and one line in last_error")
  func control() async throws {
    try await Machine.mounted("seed=1,lps=2") { machine async throws in
      try await machine.shell("mkdir .tdxfs/td/a; echo busy > .tdxfs/fault/f")
      let rows: [(file: String, texts: [String], errno: String, reason: String)] = [
        (
          "power", ["off", "REBOOT", "reboot kexec", "reboot\0junk", "rebo\not", "1", "-", "\u{301}reboot"], "EINVAL",
          "power: "
        ),
        ("cpu/1/online", ["2", "-1", "01", "0x1", "on", "1 0", "+1", "1\0" + "0"], "EINVAL", "cpu/1/online: "),
        ("cpu/0/online", ["0", "0\n", " 0 "], "EBUSY", "cpu/0/online: CPU 0 is always online"),
        ("watch", ["1", "ON", "on off", "of", "yes"], "EINVAL", "watch: "),
        (
          "fault/f",
          [
            "stage", "stage=", "stage=instal busy", "busy busy", "lp=2 busy", "lp=-1 busy", "lp=+1 busy", "nth=0 busy",
            "status=EBADSIGG", "status=0x", "status=0x10000000000000000", "delay=1", "p=2 busy", "count=0 busy",
            "once always busy", "rdx=1 vmfailinvalid", "seed=1 busy", "enomem", "stage=install lp=0 drop-lp",
            "stage=receive busy", "corrupt-handoff=x", "no-entropy=0", "leaf=TDH.SYS.NOT busy", "after=0 busy", "\u{1}",
            "busy=",
          ], "EINVAL", "fault/f: "
        ),
        (
          "td/a/step",
          [
            "enterx", "ENTER", "enter vcpu", "enter vcpu=", "enter vcpu=x", "enter vcpu=-0", "enter gpa=1",
            "add gpa=0x",
            "add gpa=0x+1", "add gpa=1 gpa=2", "vcpu count=18446744073709551616", "rtmr data=0", "rtmr data=zz index=0",
            "init debug=1", "finalize now", "migrate", "bind to=a", "\u{1}\u{2}",
          ], "EINVAL", "td/a/step: "
        ),
        (
          "td/a/reportdata", [String(repeating: "r", count: 65), String(repeating: "r", count: 4096)], "EINVAL",
          "td/a/reportdata: "
        ),
        (
          "snapshot", ["x", "TDXFSNAQ" + String(repeating: "\0", count: 100), String(repeating: "\0", count: 4096)],
          "EINVAL", "snapshot: "
        ),
      ]
      var cases = 0
      for row in rows {
        for text in row.texts {
          cases += 1
          var found = outcome(Array(text.utf8), to: "\(machine.root)/.tdxfs/\(row.file)")
          let reason = try machine.read(".tdxfs/last_error")
          // A piece of a snapshot is taken, and refused when nothing more comes.
          if row.file == "snapshot", found == "taken 1" { found = "EINVAL" }
          let isOneLine = reason.unicodeScalars.dropLast().allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
          #expect(found == row.errno, "\(row.file): \(text.prefix(40).debugDescription)")
          #expect(
            reason.hasPrefix(row.reason) && reason.hasSuffix("\n") && isOneLine, "\(row.file): \(reason.prefix(200))")
        }
      }
      for file in ["status", "log", "why", "trace", "last_error", "kmsg", "td/a/state", "td/a/mrtd", "td/a/report"] {
        cases += 1
        #expect(outcome([0x31], to: "\(machine.root)/.tdxfs/\(file)") == "EACCES", "\(file)")
      }
      for (command, errno) in [
        ("mkdir \".tdxfs/td/$(printf 'a\\tb')\"", "Invalid"), (": > '.tdxfs/fault/a b'", "Invalid"),
        ("mkdir .tdxfs/td/a", "exists"), ("rmdir .tdxfs/td/b", "No such"), ("rm .tdxfs/fault/g", "No such"),
        ("mkdir .tdxfs/x", "not permitted"), ("rm .tdxfs/power", "not permitted"),
      ] {
        cases += 1
        let finished = try await Command.run(["sh", "-c", command], in: machine.root)
        #expect(finished.status != 0 && finished.errors.contains(errno), "\(command): \(finished)")
      }
      print("malformed inputs: control files through a mount: \(cases) cases")
      #expect(cases >= 89)
    }
  }

  // MARK: Images

  /// What is done to an image.
  struct Damage: Sendable {
    var what: String
    var stage: String
    /// In `why`: the status that ends it, or `-`.
    var status: String
    /// In the first line of `why`.
    var phrase: String
    var change: @Sendable (inout [UInt8]) -> Void

    /// The kernel finds it, and nothing is lost.
    static func header(_ what: String, _ phrase: String, _ change: @escaping @Sendable (inout [UInt8]) -> Void)
      -> Damage
    {
      Damage(what: what, stage: "preflight", status: "-", phrase: phrase, change: change)
    }

    /// The loader finds it, and TDX is lost.
    static func loader(
      _ what: String, _ status: String, _ phrase: String, _ change: @escaping @Sendable (inout [UInt8]) -> Void
    ) -> Damage {
      Damage(what: what, stage: "install", status: status, phrase: phrase, change: change)
    }

    /// A field of the sigstruct, which lies behind a page of header.
    static func field(
      _ what: String, _ offset: Int, _ bytes: [UInt8], _ status: String = "EBADSIG", _ phrase: String = ""
    ) -> Damage {
      loader(what, status, phrase.isEmpty ? what : phrase) {
        $0.replaceSubrange(4096 + offset..<4096 + offset + bytes.count, with: bytes)
      }
    }
  }

  private static func put(_ value: UInt32, at offset: Int) -> @Sendable (inout [UInt8]) -> Void {
    { image in for index in 0..<4 { image[offset + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) } }
  }

  /// pseamldr.md 3.4, a representative of each row, in an image of 1.5.28 on a machine with 1.5.24.
  private static let rows: [Damage] = [
    .field("byte 40 of the sigstruct", 40, [1]), .field("byte 983 of the sigstruct", 983, [0x80]),
    .field("byte 989 of the sigstruct", 989, [1]), .field("byte 1023 of the sigstruct", 1023, [1]),
    .field("HEADER_TYPE", 0, [7]), .field("HEADER_LENGTH", 4, [0xE0]), .field("HEADER_VERSION", 8, [1]),
    .field("KEY_SIZE", 28, [0x61]), .field("EXPONENT_SIZE", 36, [0]), .field("MODULUS_SIZE", 32, [0x5F]),
    .field("MODULE_VENDOR", 16, [0x22, 0x10]), .field("MODULE_TYPE", 12, [1]), .field("ATTRIBUTES", 957, [0x80]),
    .field("SIZE", 24, [0xFF, 1]), .field("CPUID_TABLE_SIZE", 1025, [1]), .field("EXPONENT", 512, [3, 0, 0, 0]),
    .field("MIN_UPDATE_HV", 986, [9]), .field("GDT_IDT_OFFSET", 992, [1]),
    .field("FAULT_WRAPPER_OFFSET", 996, [0, 0, 0, 0]),
    .field("key", 300, [0x5A, 0xA5]), .field("debug", 15, [0x80]), .field("major SVN", 949, [0], "EUNSUPPORTED"),
    .field("SVN", 949, [2], "EUNSUPPORTED"), .field("SVN", 948, [1]), .field("GDT_IDT_OFFSET", 995, [0x7F]),
    .field("FAULT_WRAPPER_OFFSET", 999, [0x7F]), .field("CPU", 1028, [UInt8](repeating: 0x77, count: 16), "EUNSUPCPU"),
    .field("CPU", 1024, [0, 0, 0, 0]), .field("signature", 700, [0xA5, 0x5A]), .field("signature", 20, [0x99]),
    .field("signature", 900, [1, 2, 3]), .field("signature", 990, [0x77]),
    .loader("a bit of the module", "EBADHASH", "SHA-384") { $0[$0.count - 100] ^= 1 },
    .loader("two pages of the module swapped", "EBADHASH", "SHA-384") { image in
      let first = Array(image[8192..<12288])
      image.replaceSubrange(8192..<12288, with: image[12288..<16384])
      image.replaceSubrange(12288..<16384, with: first)
    },
  ]

  /// Uploads each damaged image; `error` and `why` afterwards.
  private func uploadAll(_ damages: [Damage], abi: String, _ image: [UInt8]) async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    try await Machine.mounted("seed=1,lps=2,memory=1,abi=\(abi)") { machine async throws in
      var cases = 0
      for damage in damages {
        var bytes = image
        damage.change(&bytes)
        try File.write([0x31], to: machine.upload() + "/loading")
        let data = try FileDescriptor.open(FilePath(machine.upload() + "/data"), .writeOnly)
        try data.writeAll(bytes)
        try data.close()
        try File.write([0x30], to: machine.upload() + "/loading")
        let isIdle = try await eventually(within: 30) { try machine.read("firmware/tdx_module/status") == "idle\n" }
        try #require(isIdle)
        cases += 1
        let isLost = damage.stage != "preflight"
        let error = try machine.read("firmware/tdx_module/error")
        let why = try machine.read(".tdxfs/why")
        let status = try machine.value(of: "status", in: "why") ?? ""
        #expect(error == "transferring:firmware-invalid\n", "\(damage.what)")
        #expect(try machine.value(of: "stage", in: "why") == damage.stage, "\(damage.what): \(why)")
        #expect(status.split(separator: " ").first.map(String.init) == damage.status, "\(damage.what): \(why)")
        #expect(try machine.value(of: "lost", in: "why") == (isLost ? "module" : "none"), "\(damage.what)")
        #expect(why.prefix { $0 != "\n" }.contains(damage.phrase), "\(damage.what): \(why)")
        #expect(machine.errorOfReading("version") == (isLost ? .noSuchAddressOrDevice : nil), "\(damage.what)")
        #expect(try machine.read("num_remaining_updates") == "15\n", "\(damage.what)")
        if isLost { try machine.write("reboot\n", to: ".tdxfs/power") }
      }
      print("malformed inputs: images through a mount, \(abi): \(cases) cases")
      #expect(cases == damages.count)
    }
  }

  @Test("0x100 images: every header check of v8, and every row of the loader")
  func blobs() async throws {
    let image = try File.bytes(try await Catalog.shared.image("1.5.28"))
    let size = image.count
    func cut(_ length: Int, _ phrase: String) -> Damage {
      .header("\(length) bytes", phrase) { $0 = Array($0.prefix(length)) }
    }
    let headers: [Damage] = [
      cut(1, "has 1 bytes"), cut(7, "has 7 bytes"), cut(24, "has 24 bytes"), cut(4095, "has 4095 bytes"),
      cut(4096, "has 4096 bytes"), cut(4097, "offset_of_module is 8192"), cut(8191, "offset_of_module is 8192"),
      cut(8192, "offset_of_module is 8192"),
      .header("signature", "signature at 8") { $0[8] ^= 1 },
      .header("end of the signature", "signature at 8") { $0[15] ^= 0x80 },
      .header("offset 0", "offset_of_module is 0", Self.put(0, at: 4)),
      .header("offset 4096", "offset_of_module is 4096", Self.put(4096, at: 4)),
      .header("offset 8191", "offset_of_module is 8191", Self.put(8191, at: 4)),
      .header("offset 8193", "offset_of_module is 8193", Self.put(8193, at: 4)),
      .header("offset at the end", "offset_of_module is \(size)", Self.put(UInt32(size), at: 4)),
      .header("offset 2^31", "offset_of_module is 2147483648", Self.put(1 << 31, at: 4)),
      .header("offset 2^32-1", "offset_of_module is 4294967295", Self.put(.max, at: 4)),
      .header("version 0", "version is 0x0") { $0[1] = 0 }, .header("version 0x101", "version is 0x101") { $0[0] = 1 },
      .header("version 0x200", "version is 0x200") { $0[1] = 2 },
      .header("version 0x8100", "version is 0x8100") { $0[1] = 0x81 },
      .header("reserved0", "byte at 20") { $0[20] = 1 }, .header("reserved1", "byte at 24") { $0[24] = 0x80 },
      .header("end of reserved1", "byte at 4095") { $0[4095] = 1 },
      .header("signature before offset", "signature at 8") {
        $0[8] = 0
        $0[4] = 1
      },
      .header("version before reserved", "version is 0x7") {
        $0[0] = 7
        $0[1] = 0
        $0[20] = 1
      },
    ]
    let late: [Damage] = [
      .loader("no whole page of the module", "EBADPARAM", "NUM_MODULE_PAGES") { $0 = Array($0.prefix(8193)) },
      .loader("a page less", "EBADHASH", "SHA-384") { $0.removeLast(4096) },
      .loader("a byte less", "EBADHASH", "SHA-384") { $0.removeLast() },
      .loader("a page more", "EBADHASH", "SHA-384") { $0 += [UInt8](repeating: 0, count: 4096) },
      .loader("two sigstruct pages", "EBADPARAM", "version 1") { image in
        image.insert(contentsOf: [UInt8](repeating: 0, count: 4096), at: 8192)
        Self.put(12288, at: 4)(&image)
      },
    ]
    try await uploadAll(headers + Self.rows + late, abi: "v8", image)
  }

  @Test("0x200 images: every header check of the merged kernel, and the loader behind it")
  func images() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let path = scratch.path + "/image"
    let converted = try await Tdxfs.run([
      "image", "convert", try await Catalog.shared.image("1.5.28"), "--output", path, "--format", "0x200",
    ])
    try #require(converted.status == 0, "\(converted)")
    let image = try File.bytes(path)
    let pages = UInt32(image.count / 4096 - 2)
    func cut(_ length: Int, _ phrase: String) -> Damage {
      .header("\(length) bytes", phrase) { $0 = Array($0.prefix(length)) }
    }
    let headers: [Damage] = [
      cut(1, "has 1 bytes"), cut(20, "has 20 bytes"), cut(4095, "has 4095 bytes"), cut(4096, "module pages"),
      cut(8192, "module pages"), cut(image.count - 1, "module pages"), cut(image.count - 4096, "module pages"),
      .header("a byte more", "module pages") { $0.append(0) },
      .header("version 0x100", "version is 0x100") { $0[1] = 1 },
      .header("version 0x201", "version is 0x201") { $0[0] = 1 },
      .header("signature", "signature at 4") { $0[4] ^= 1 },
      .header("end of the signature", "signature at 4") { $0[11] ^= 1 },
      .header("no sigstruct page", "0 sigstruct", Self.put(0, at: 12)),
      .header("2 sigstruct pages", "2 sigstruct", Self.put(2, at: 12)),
      .header("2^20+1 sigstruct pages wrap to 1", "at most 1 and 496", Self.put(1 << 20 | 1, at: 12)),
      .header("2^32-1 sigstruct pages", "4294967295 sigstruct", Self.put(.max, at: 12)),
      .header("a module page less", "module pages", Self.put(pages - 1, at: 16)),
      .header("2^20 module pages more", "at most 1 and 496", Self.put(1 << 20 | pages, at: 16)),
      .header("497 module pages", "at most 1 and 496") { image in
        image = Array(image.prefix(8192)) + [UInt8](repeating: 0, count: 497 * 4096)
        Self.put(497, at: 16)(&image)
      },
      .header("reserved", "byte at 20") { $0[20] = 1 }, .header("end of reserved", "byte at 4095") { $0[4095] = 0x80 },
      .header("sizes before version", "module pages") {
        $0[0] = 9
        $0.append(0)
      },
      .header("limits before signature", "at most 1 and 496") {
        $0[4] = 0
        Self.put(1 << 20 | 1, at: 12)(&$0)
      },
    ]
    let late: [Damage] = [
      .loader("a header alone", "EBADPARAM", "NUM_MODULE_PAGES") { image in
        image = Array(image.prefix(4096))
        Self.put(0, at: 12)(&image)
        Self.put(0, at: 16)(&image)
      },
      .loader("no module page", "EBADPARAM", "NUM_MODULE_PAGES") { image in
        image = Array(image.prefix(8192))
        Self.put(0, at: 16)(&image)
      },
    ]
    try await uploadAll(headers + Self.rows + late, abi: "merged", image)
  }

  // MARK: Options

  @Test("options in every wrong spelling: status 2, one line on stderr that names the option, and no mount")
  func options() async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let rows = [
      "lps=0", "lps=1025", "lps=-1", "lps=+4", "lps=0x4", "lps=4.0", "lps= 4", "lps=4 ", "lps=4\n5", "lps=\u{1B}[1m",
      "lps=", "lps",
      "lps=99999999999999999999", "updates=65536", "updates=-0", "memory=1e3", "seed=18446744073709551616", "seed=+1",
      "abi=V8", "abi=v11", "cpu=SPR", "layout=sysfs", "module=1.5.07", "module=1.5", "module=1.5.24.0",
      "seamldr=3.0.00",
      "control=yes", "td_preserving=0", "clock=fake", "order=none", "erratum=:", "erratum=seamret", "alias=:",
      "alias=x",
      "device=tdx", "keys=", "lpz=4", "Lps=4", "nonsense=1", String(repeating: "x", count: 3000) + "=1",
      "lps=" + String(repeating: "9", count: 3000),
    ]
    var cases = 0
    for row in rows {
      let finished = try await Tdxfs.run([scratch.path, "-o", row])
      cases += 1
      let lines = finished.errors.split(separator: "\n", omittingEmptySubsequences: false)
      let isOneLine = lines.count == 2 && lines[1].isEmpty && finished.errors.utf8.count < 1500
      let isPrintable = finished.errors.unicodeScalars.dropLast().allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
      #expect(
        finished.status == 2 && isOneLine && isPrintable,
        "\(row.prefix(40).debugDescription): \(finished.status) \(finished.errors.prefix(300))")
      if finished.status == 0 { _ = try await Command.run(["fusermount3", "-uz", scratch.path]) }
    }
    print("malformed inputs: options of a mount: \(cases) cases")
    #expect(cases >= 40)
  }
}
