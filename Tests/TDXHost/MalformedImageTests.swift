import Basics
import SEAM
import SystemPackage
import Testing

@testable import TDXHost

/// Every kernel's header checks on generated images, against ``KernelImageModel``.
@Suite("Malformed images before every kernel", .timeLimit(.minutes(20)))
struct MalformedImageTests {
  /// A kernel that waits for images, and the model of it.
  struct Bench {
    let model: KernelImageModel
    let profile: ABIProfile
    let firmware = FakeFirmware()
    let host: LinuxHost
    /// What an image has to be like.
    let intact: [UInt8]
    var cases = 0
    var differences = 0
    /// How often which row refused.
    var rows: [String: Int] = [:]

    init(_ name: String) throws {
      model = KernelImageModel(name: name)
      profile = try #require(ABIProfile.named(name))
      var host = bootedHost(profile, firmware)
      // The page that INFO is asked with is taken once.
      _ = host.infoBuffer()
      self.host = host
      intact = model.isNew ? imageV2() : sealed(blob())
    }

    /// Whether the checksum is looked at.
    var hasChecksum: Bool { ["v1", "v2", "v3"].contains(model.name) }

    /// Gives `image` to the kernel; of the fifth difference on, nothing more is told.
    mutating func tryImage(_ image: [UInt8], _ what: @autoclosure () -> String) {
      cases += 1
      let row = model.refusal(of: image)
      rows[row?.rawValue ?? "taken", default: 0] += 1
      guard let difference = difference(image, row) else { return }
      differences += 1
      if differences < 5 { Issue.record("\(model.name), \(what()): \(difference)") }
    }

    private mutating func difference(_ image: [UInt8], _ row: KernelImageModel.Row?) -> String? {
      var host = host
      firmware.calls.removeAll()
      var run = ModuleUpdate(image: image, host: host)
      guard let row else { return differenceOfTaken(image, &run, &host) }
      let record = run.run(host: &host, door: firmware)
      guard case .preflight(.image(let check, _)) = record.stage else {
        return "ended at \(record.stage) in place of \(row)"
      }
      if Self.row(of: check, model.name) != row { return "refused by \(check) in place of \(row)" }
      if record.errno != .invalidArgument {
        return "\(record.errno.map(String.init(describing:)) ?? "0") in place of EINVAL"
      }
      if record.refusal?.isEmpty != false { return "there is no reason" }
      if profile.uploadError(for: record.errno)?.name != "firmware-invalid" { return "error is not firmware-invalid" }
      if record.isTDXLost || firmware.calls.contains(where: { $0.leaf != "SEAMLDR.INFO" }) { return "it touched TDX" }
      if host.pages.pagesInUse != self.host.pages.pagesInUse || host.isHotplugLocked { return "something is kept" }
      if let line = model.line(row, image), host.lines != (line.isEmpty ? [] : [line]) { return "log is \(host.lines)" }
      return nil
    }

    /// An image that passes goes to the P-SEAMLDR as kernel-abi.md 4.4 says.
    private func differenceOfTaken(_ image: [UInt8], _ run: inout ModuleUpdate, _ host: inout LinuxHost) -> String? {
      while firmware.calls.last?.leaf != "SEAMLDR.INSTALL" {
        if case .finished(let record) = run.step(host: &host, door: firmware) {
          return "refused by \(record.stage), \(record.refusal ?? "")"
        }
      }
      guard let params = model.params(of: image), let address = firmware.calls.last?.registers.rcx else { return nil }
      let page = firmware.readPhysical(address, count: 4096)
      let found = (KernelImageModel.number(page, 0, 4), KernelImageModel.number(page, 120, 4))
      return found == params ? nil : "params.version and NUM_MODULE_PAGES are \(found) in place of \(params)"
    }

    /// The row of 4.3 that a check of ours stands for.
    private static func row(of check: ImageCheck, _ name: String) -> KernelImageModel.Row {
      switch check {
      case .atLeast, .largerThan, .largerThanModuleOffset: .size
      case .moduleOffsetInside: name == "v8" || name == "selector" ? .offset : .parts
      case .moduleOffsetAligned, .wholePages: .alignment
      case .lengthMatchesSize: .parts
      case .signature: .signature
      case .version: .version
      case .reserved: .reserved
      case .pageCountsMatchSize: .sum
      case .pageCounts, .partSizes: .limits
      case .sigstructSize: .sigstruct
      case .checksum: .checksum
      }
    }

    /// Prints what was tried, and requires `least` cases and every row of the kernel's list.
    func expect(_ what: String, atLeast least: Int, rows expected: [KernelImageModel.Row]? = nil) {
      let tally = rows.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
      print("malformed inputs: \(what), kernel \(model.name): \(cases) cases (\(tally))")
      #expect(cases >= least)
      for row in expected ?? [] { #expect(rows[row.rawValue, default: 0] > 0, "\(model.name): \(row)") }
    }

    static func put(_ value: UInt64, _ size: Int, at offset: Int, in image: inout [UInt8]) {
      for index in 0..<size { image[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
    }
  }

  @Test("every bit of the header's fields, and a bit of every reserved byte", arguments: KernelImageModel.names)
  func everyBit(name: String) throws {
    var bench = try Bench(name)
    for bit in 0..<(24 * 8) {
      var image = bench.intact
      image[bit / 8] ^= 1 << UInt8(bit % 8)
      bench.tryImage(image, "bit \(bit % 8) of byte \(bit / 8)")
      if bench.hasChecksum { bench.tryImage(sealed(image), "bit \(bit % 8) of byte \(bit / 8), sealed") }
    }
    let isThorough = name == "v8" || name == "merged"
    var image = bench.intact
    for byte in 20..<4100 where isThorough || byte % 32 == 0 || byte < 40 || byte > 4080 {
      image[byte] ^= 1 << UInt8(byte % 8)
      bench.tryImage(image, "byte \(byte)")
      image[byte] ^= 1 << UInt8(byte % 8)
    }
    bench.expect("header bits", atLeast: isThorough ? 4270 : 340)
  }

  @Test(
    "cut off at every field and page, and a byte beside; longer than it should be", arguments: KernelImageModel.names)
  func lengths(name: String) throws {
    var bench = try Bench(name)
    var lengths: Set<Int> = []
    // The fields of the header, pages, and the sigstruct's fields behind them (pseamldr.md 2.4).
    let sigstructFields = [
      4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 128, 512, 516, 900, 948, 949, 950, 958, 962, 963, 964, 966, 968, 970, 972,
      974,
      976, 978, 984, 986, 988, 989, 990, 992, 996, 1000, 1024, 1028, 2048,
    ]
    let borders = [0, 2, 4, 8, 12, 16, 20, 24] + [1, 2, 3, 4].map { $0 * 4096 } + sigstructFields.map { 4096 + $0 }
    for border in borders { lengths.formUnion([border - 1, border, border + 1]) }
    for length in lengths.sorted() where length >= 0 && length < bench.intact.count {
      bench.tryImage(Array(bench.intact.prefix(length)), "\(length) bytes")
      var honest = Array(bench.intact.prefix(length))
      if length >= 20, !bench.model.isNew { Bench.put(UInt64(length), 4, at: 16, in: &honest) }
      bench.tryImage(
        bench.hasChecksum ? sealed(honest + (length < 4 ? [0, 0, 0, 0] : [])) : honest, "\(length) bytes, honest")
    }
    for more in [1, 2, 2047, 2048, 4095, 4096, 4097, 8192] {
      var image = bench.intact + [UInt8](repeating: 0, count: more)
      bench.tryImage(image, "\(more) bytes more")
      if !bench.model.isNew { Bench.put(UInt64(image.count), 4, at: 16, in: &image) }
      bench.tryImage(bench.hasChecksum ? sealed(image) : image, "\(more) bytes more, honest")
    }
    bench.expect("image lengths", atLeast: 200)
  }

  @Test(
    "0x100: offset_of_module and length at every border, together",
    arguments: KernelImageModel.names.filter { !["v9", "v10", "merged"].contains($0) })
  func offsets(name: String) throws {
    var bench = try Bench(name)
    let size = UInt64(bench.intact.count)
    let offsets: [UInt64] = [
      0, 1, 20, 4095, 4096, 4097, 8191, 8192, 8193, 12287, 12288, 12289, size - 4096, size - 1, size, size + 1,
      size + 4096, 0x7FFF_FFFF, 0x8000_0000, 0x8000_2000, 0xFFFF_F000, 0xFFFF_FFFF,
    ]
    let lengths: [UInt64] = [
      0, 1, 4096, size - 4096, size - 1, size, size + 1, 0x7FFF_FFFF, 0x8000_0000 | size, 0xFFFF_FFFF,
    ]
    for offset in offsets {
      for length in lengths {
        var image = bench.intact
        Bench.put(offset, 4, at: 4, in: &image)
        Bench.put(length, 4, at: 16, in: &image)
        bench.tryImage(bench.hasChecksum ? sealed(image) : image, "offset \(offset), length \(length)")
      }
    }
    // Parts at their limits: sigstructs of 0 to 6 pages and half pages, modules round 496 pages.
    for sigBytes in [0, 1, 2048, 4095, 4096, 4097, 8192, 12288, 16383, 16384, 16385, 20480] {
      for modBytes in [0, 1, 4095, 4096, 4097, 8192, 496 * 4096 - 1, 496 * 4096, 496 * 4096 + 1, 497 * 4096] {
        // Summing up two megabytes takes long here, and PreflightOrderTests has one of them.
        if modBytes > 8192, bench.hasChecksum || ![4096, 16384, 16385].contains(sigBytes) { continue }
        var image = [UInt8](repeating: 0, count: 4096 + sigBytes + modBytes)
        image.replaceSubrange(0..<4096, with: bench.intact.prefix(4096))
        Bench.put(UInt64(4096 + sigBytes), 4, at: 4, in: &image)
        Bench.put(UInt64(image.count), 4, at: 16, in: &image)
        bench.tryImage(bench.hasChecksum ? sealedHeader(image) : image, "\(sigBytes) and \(modBytes) bytes")
      }
    }
    bench.expect("0x100 offsets, lengths and sizes", atLeast: 280)
  }

  /// ``sealed(_:)`` for an image that is zeros behind its header.
  private func sealedHeader(_ image: [UInt8]) -> [UInt8] {
    Array(sealed(Array(image.prefix(4096)))) + image.dropFirst(4096)
  }

  @Test(
    "0x200: page counts at every border, with every size: the products wrap, the sum does not",
    arguments: ["v9", "v10", "merged"])
  func pageCounts(name: String) throws {
    var bench = try Bench(name)
    let counts: [UInt64] = [
      0, 1, 2, 3, 255, 495, 496, 497, 0xF_FFFF, 0x10_0000, 0x10_0001, 0x10_0002, 0x8000_0000, 0x8000_0001, 0xFFF0_0001,
      0xFFFF_FFFF,
    ]
    let sizes = [1, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 16384, 498 * 4096, 499 * 4096]
    for size in sizes {
      var image = [UInt8](repeating: 0, count: size)
      image.replaceSubrange(0..<min(size, 4096), with: bench.intact.prefix(min(size, 4096)))
      for sigstruct in counts {
        for module in counts {
          if size >= 20 {
            Bench.put(sigstruct, 4, at: 12, in: &image)
            Bench.put(module, 4, at: 16, in: &image)
          }
          bench.tryImage(image, "\(size) bytes, \(sigstruct) and \(module) pages")
        }
      }
    }
    bench.expect("0x200 page counts and sizes", atLeast: 2800)
  }

  @Test("every pair of broken fields: the kernel's order decides", arguments: KernelImageModel.names)
  func pairs(name: String) throws {
    var bench = try Bench(name)
    let isNew = bench.model.isNew
    let signature = isNew ? 4 : 8
    typealias Fault = (what: String, apply: (inout [UInt8]) -> Void)
    func value(_ what: String, _ value: UInt64, _ size: Int, at offset: Int) -> Fault {
      (what, { if $0.count >= offset + size { Bench.put(value, size, at: offset, in: &$0) } })
    }
    var faults: [Fault] = [
      ("nothing", { _ in }), value("version 0", 0, 2, at: 0), value("other version", isNew ? 0x100 : 0x200, 2, at: 0),
      value("version 0xFFFF", 0xFFFF, 2, at: 0), value("signature", 0x58, 1, at: signature),
      value("end of signature", 0, 1, at: signature + 7), value("first reserved", 1, 1, at: 20),
      value("last reserved", 0x80, 1, at: 4095), ("a byte more", { $0.append(0) }),
      ("a page more", { $0 += [UInt8](repeating: 0, count: 4096) }), ("a byte less", { _ = $0.popLast() }),
      ("a page less", { $0.removeLast(min($0.count, 4096)) }), ("a header alone", { $0 = Array($0.prefix(4096)) }),
      ("half a header", { $0 = Array($0.prefix(2048)) }),
    ]
    if isNew {
      faults += [
        value("no sigstruct page", 0, 4, at: 12), value("2 sigstruct pages", 2, 4, at: 12),
        value("2^20 sigstruct pages", 1 << 20, 4, at: 12), value("no module page", 0, 4, at: 16),
        value("497 module pages", 497, 4, at: 16), value("2^31 module pages", 1 << 31, 4, at: 16),
      ]
    } else {
      faults += [
        value("offset 0", 0, 4, at: 4), value("offset 4096", 4096, 4, at: 4), value("offset 8193", 8193, 4, at: 4),
        value("offset 0xFFFFFFFF", 0xFFFF_FFFF, 4, at: 4), value("length 0", 0, 4, at: 16),
        value("length 1 less", UInt64(bench.intact.count) - 1, 4, at: 16), value("checksum", 0xBEEF, 2, at: 2),
        ("497 module pages", { $0 = Array($0.prefix(8192)) + [UInt8](repeating: 0, count: 497 * 4096) }),
      ]
    }
    for (index, first) in faults.enumerated() {
      for (other, second) in faults.enumerated() {
        var image = bench.intact
        first.apply(&image)
        second.apply(&image)
        // Half of them with a good checksum.
        if bench.hasChecksum {
          if image.count > 100_000 || image.count < 4 || other < index { continue }
          if (index ^ other) & 1 == 0 { image = sealed(image) }
        }
        bench.tryImage(image, "\(first.what), \(second.what)")
      }
    }
    let unreached: Set<KernelImageModel.Row> = ["v9", "v10", "merged"].contains(name) ? [] : [.limits, .sigstruct]
    bench.expect(
      "pairs of broken header fields", atLeast: bench.hasChecksum ? 225 : 400,
      rows: KernelImageModel.rows[name]?.filter { !unreached.contains($0) })
  }

  /// Where in each list the kernel takes memory for SEAMLDR_PARAMS; 4.3 does not say it of v7.
  enum Allocation { case first, afterSize, last }

  @Test(
    "no memory, and a broken image or no updates: the place of ENOMEM in each list decides",
    arguments: KernelImageModel.names.filter { $0 != "v7" })
  func withoutMemory(name: String) throws {
    let bench = try Bench(name)
    var host = bench.host
    while host.pages.allocate() != nil {}
    let place: Allocation =
      switch name {
      case "v8", "selector": .last
      case "v10", "merged": .afterSize
      default: .first
      }
    var cases = 0
    func outcome(_ image: [UInt8], updates: UInt32 = 15) -> (errno: Errno?, isAllocation: Bool, error: String) {
      bench.firmware.remainingUpdates = updates
      var host = host
      host.cachedInfo?.numRemainingUpdates = updates
      var run = ModuleUpdate(image: image, host: host)
      let record = run.run(host: &host, door: bench.firmware)
      cases += 1
      return (
        record.errno, record.stage == .preflight(.allocation),
        bench.profile.uploadError(for: record.errno)?.name.description ?? ""
      )
    }
    // 3.4: ENOMEM is read-write-error from v3 to v7.
    let error = ["v3", "v4", "v5", "v6"].contains(name) ? "read-write-error" : "firmware-invalid"
    let changes: [(inout [UInt8]) -> Void] = [
      { _ in }, { $0 = Array($0.prefix(2048)) }, { $0 = Array($0.prefix(4096)) }, { $0[0] = 7 }, { $0[1] = 7 },
      { $0[4] ^= 1 }, { $0[8] ^= 1 }, { $0[11] ^= 1 }, { $0[12] ^= 2 }, { $0[16] ^= 1 }, { $0[20] = 1 },
      { $0[4095] = 1 },
      { $0.append(0) }, { $0.removeLast() }, { $0.removeLast(4096) },
    ]
    for change in changes {
      var image = bench.intact
      change(&image)
      let row = bench.model.refusal(of: image)
      let isBefore =
        switch place {
        case .first: false
        case .afterSize: row == .size
        case .last: row != nil
        }
      let found = outcome(image)
      if isBefore {
        #expect(found.errno == .invalidArgument && !found.isAllocation, "\(name), \(cases): \(found)")
      } else {
        #expect(found.errno == .noMemory && found.isAllocation && found.error == error, "\(name), \(cases): \(found)")
      }
    }
    // ENOSPC comes before ENOMEM in v2 to v4. In v1 memory for the new metadata is taken before (RFC 18/20, 19/20), and nobody
    // counts updates from v5 on.
    let found = outcome(bench.intact, updates: 0)
    #expect(found.errno == (["v2", "v3", "v4"].contains(name) ? .noSpace : .noMemory), "\(name): \(found)")
    print("malformed inputs: images without memory, kernel \(name): \(cases) cases")
    #expect(cases == 16)
  }
}
