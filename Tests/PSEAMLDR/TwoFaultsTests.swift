import SEAM
import Testing

/// pseamldr.md 3.4: of two mistakes the earlier row decides. Every row that an UPDATE or a LOAD can break alone, with every
/// other one.
@Suite("Which of two mistakes INSTALL finds", .timeLimit(.minutes(20)))
struct TwoFaultsTests {
  typealias Line = MalformedInstall.Line

  /// One broken row. `place` is what it changes: two mistakes at one place can't be made at once.
  struct Fault: Sendable {
    var row: String
    var rax: UInt64
    var place: String
    var apply: @Sendable (inout MalformedInstall) -> Void

    init(
      _ row: String, _ rax: UInt64 = InstallModel.badSignature, at place: String,
      _ apply: @escaping @Sendable (inout MalformedInstall) -> Void
    ) {
      (self.row, self.rax, self.place, self.apply) = (row, rax, place, apply)
    }

    /// A value in the sigstruct.
    static func field(_ row: String, _ rax: UInt64, _ offset: Int, _ size: Int, _ value: UInt64) -> Fault {
      Fault(row, rax, at: "sigstruct \(offset)") {
        MalformedInstall.put(value, size, at: offset, in: &$0.sigstruct)
      }
    }

    /// A value in the sigstruct that is EBADSIG.
    static func field(_ row: String, _ offset: Int, _ size: Int, _ value: UInt64) -> Fault {
      field(row, InstallModel.badSignature, offset, size, value)
    }

    /// A value in the params page.
    static func params(_ row: String, _ offset: Int, _ size: Int, _ value: UInt64) -> Fault {
      Fault(row, InstallModel.badParam, at: "params \(offset)") {
        MalformedInstall.put(value, size, at: offset, in: &$0.params)
      }
    }
  }

  /// In the order of the table.
  static func faults(_ line: Line, isUpdate: Bool) -> [Fault] {
    typealias M = InstallModel
    var faults: [Fault] = [
      Fault("A1", M.badParam, at: "RCX") { $0.rcx += 8 },
      .params("A2", 0, 4, 1), .params("A3", 16, 8, 1 << 63), .params("A4", 4, 4, 2), .params("A5", 120, 8, 497),
      .params("A6", 136, 8, 0x8001), .params("A7", 8, 8, M.seamBase),
    ]
    if isUpdate {
      faults.append(
        Fault("A8", M.badParam, at: "SEAM_READY") {
          $0.rig.machine.seamExtend.seamReady = false
          $0.model.isReady = false
        })
    }
    faults += [.field("A9", 40, 1, 1), .field("A9", 983, 1, 0x80), .field("A9", 989, 1, 1)]
    if line == .v1_5 { faults.append(.field("A9", 1023, 1, 1)) }
    faults += [
      .field("A10", 0, 4, 7), .field("A10", 4, 4, 0xE0), .field("A10", 8, 4, 0x20000), .field("A11", 28, 4, 0x61),
      .field("A11", 36, 4, 0), .field("A11", 32, 4, 0x5F), .field("A12", 16, 4, 0x1022), .field("A12", 12, 4, 1),
      .field("A12", 950, 8, 1 << 63), .field("A13", 24, 4, 0x1FF), .field("A14", 1024, 4, 256),
      .field("A15", 512, 4, 3),
      .field("A16", 986, 2, 9), .field("A17", 992, 4, 4097), .field("A18", 996, 4, 0), .field("A19", 300, 1, 0x5A),
      .field("A20", 12, 4, 1 << 31),
    ]
    if line == .v1_5 { faults.append(.field("A21", M.unsupported, 949, 1, 0)) }
    if isUpdate {
      faults += [.field("A22", M.unsupported, 949, 1, 2), .field("A23", 948, 1, 0)]
    } else {
      faults += [.field("A24", M.cleanupRequired, 949, 1, 2), .field("A24", M.cleanupRequired, 948, 1, 0)]
    }
    faults += [
      .field("A25", 992, 4, 5 * 4096), .field("A26", 996, 4, 4 * 4096 - 511),
      // Without a list nobody looks for the CPU in it: A27 and A28 exclude each other.
      Fault("A27", M.unsupportedCPU, at: "sigstruct 1024") {
        $0.sigstruct.replaceSubrange(1028..<1044, with: repeatElement(0x77, count: 16))
      },
      .field("A28", 1024, 4, 0), .field("A29", 700, 1, 0xA5),
      Fault("A30", M.noEntropy, at: "RDRAND") { $0.dropEntropy() }, .field("A31", M.noMemory, 966, 2, 0xFFFF),
    ]
    guard isUpdate else { return faults }
    for header: [UInt8] in [
      [0, 0, 1, 0, 100, 0, 0, 0], [1, 0, 1, 0, 0xFF, 0xFF, 0xFF, 0xFF], [1, 0, 9, 0, 100, 0, 0, 0],
    ] {
      faults.append(Fault("A33", M.badHandoff, at: "handoff") { $0.setHandoff(header) })
    }
    return faults
  }

  @Test(
    "every pair: the earlier row, its status, RDX 0, and nothing is lost", arguments: Line.allCases, [true, false])
  func pairs(line: Line, isUpdate: Bool) throws {
    var install = try MalformedInstall(line)
    let faults = Self.faults(line, isUpdate: isUpdate)
    let name = "two faults, \(isUpdate ? "UPDATE" : "LOAD"), loader \(line.rawValue)"
    var count = CaseCount(name)
    for (index, first) in faults.enumerated() {
      for second in faults[index...] where !count.isHopeless {
        if second.place == first.place && second.row != first.row { continue }
        install.params[4] = isUpdate ? 1 : 0
        install.sigstruct = install.model.signed
        let intact = install.sigstruct
        second.apply(&install)
        if second.place != first.place { first.apply(&install) }
        let isSigned = [first.row, second.row].allSatisfy { $0 != "A15" && $0 != "A19" && $0 != "A29" }
        if isSigned, install.sigstruct != intact { install.sign() }
        let table = InstallModel.Verdict(row: first.row, rax: first.rax, rdx: 0)
        let what = "\(first.row) at \(first.place), \(second.row) at \(second.place)"
        // Reference table and model have to agree before the loader is asked.
        let model = install.expected()
        if model != table {
          count.add(what, difference: "the model says \(model.map(\.description) ?? "installed")")
          install.reset()
        } else {
          count.add(what, row: first.row, difference: install.difference())
        }
      }
    }
    count.expect(atLeast: isUpdate ? 800 : 650)
  }

  @Test(
    "no updates remain: every other mistake of an UPDATE comes first, but for the handoff data",
    arguments: Line.allCases)
  func budget(line: Line) throws {
    var install = try MalformedInstall(line, updates: 0)
    var count = CaseCount("a mistake and no updates, loader \(line.rawValue)")
    for fault in Self.faults(line, isUpdate: true) where !count.isHopeless {
      fault.apply(&install)
      if !["A15", "A19", "A29"].contains(fault.row) { install.sign() }
      let row = install.expected()?.row ?? ""
      if row != (fault.row == "A33" ? "A32" : fault.row) {
        count.add(fault.row, difference: "the model says \(row)")
        install.reset()
      } else {
        count.add("\(fault.row) at \(fault.place)", row: row, difference: install.difference())
      }
    }
    count.expect(atLeast: 40)
    #expect(count.rows["A32"] == 3)
  }
}
