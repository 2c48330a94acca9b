import Basics
import Cryptography
import SEAM
import SystemPackage
import TDXHost
import Testing

@testable import Platform

/// A TD of a machine on the bench, driven as its directory is.
struct BenchTD {
  let machine: EmulatedMachine
  let reference: TDReference

  /// `mkdir td/NAME`
  init(_ name: String = "a", on machine: EmulatedMachine) throws {
    self.machine = machine
    try machine.createTD(name)
    reference = try #require(machine.td(named: name))
  }

  /// The TD that is there already.
  init(existing name: String, on machine: EmulatedMachine) throws {
    self.machine = machine
    reference = try #require(machine.td(named: name))
  }

  /// `echo WORDS > td/NAME/step`; gives what came of it.
  @discardableResult
  func step(_ words: String...) throws -> String {
    for word in words { try machine.stepTD(reference, word) }
    return try machine.tdStepText(reference).trimmed
  }

  /// The errno and the reason of a step that is refused.
  func refusal(of words: String) -> ControlError? {
    do { try machine.stepTD(reference, words) } catch { return error }
    return nil
  }

  /// `cat td/NAME/FIELD`
  func measurement(_ field: TDReport.Field) throws -> String? {
    try machine.tdMeasurement(reference, field, file: field.name)?.hexadecimal
  }

  /// `cat td/NAME/report`
  func report(_ data: String = "") throws -> TDReport {
    if !data.isEmpty { try machine.setTDReportData(reference, Array(data.utf8)) }
    return try machine.tdReport(reference, file: "report")
  }

  /// A key of `td/NAME/state`.
  func state(_ key: String) throws -> String? {
    try machine.tdState(reference).split(separator: "\n").first { $0.hasPrefix(key + "=") }.map {
      String($0.dropFirst(key.utf8.count + 1))
    }
  }

  var isAlive: Bool { (try? machine.isTDAlive(reference)) == true }
}

extension Bench {
  /// A TD that runs: one vCPU, one measured page, entered once.
  func runningTD(_ name: String = "a") throws -> BenchTD {
    let td = try BenchTD(name, on: machine)
    try td.step("vcpu", "add", "finalize", "enter")
    return td
  }
}

extension String {
  /// Without the newline at the end.
  fileprivate var trimmed: String { hasSuffix("\n") ? String(dropLast()) : self }
}

/// A plain telling of how MRTD comes about (tdx-module.md 6.7): every record is written down, and hashed at the end.
struct PlainMRTD {
  private var stream: [UInt8] = []

  mutating func add(_ gpa: UInt64) { record("MEM.PAGE.ADD", gpa) }

  mutating func extend(_ gpa: UInt64, _ chunk: some Collection<UInt8>) {
    record("MR.EXTEND", gpa)
    stream += chunk
  }

  /// A page that is added, and measured in its 16 chunks.
  mutating func addMeasured(_ gpa: UInt64, _ page: [UInt8]) {
    add(gpa)
    for offset in stride(from: 0, to: 4096, by: 256) { extend(gpa + UInt64(offset), page[offset..<(offset + 256)]) }
  }

  private mutating func record(_ name: String, _ gpa: UInt64) {
    var record = [UInt8](repeating: 0, count: 128)
    record.store(Array(name.utf8), at: 0)
    record.store(gpa, at: 16)
    stream += record
  }

  var digest: String { SHA384.digest(of: stream).hexadecimal }
}
