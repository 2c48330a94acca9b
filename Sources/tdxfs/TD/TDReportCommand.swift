import ArgumentParser
import Basics
import SystemPackage
import TDXHost

/// `tdxfs td report NAME`
struct TDReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Have a TD make a report (TDG.MR.REPORT), and show it.")

  @Argument(help: "The name of the TD.")
  var name: String

  @Option(name: .long, help: "REPORTDATA: a text, or 0x and hexadecimal digits; 64 bytes at most.")
  var data: String?

  @Option(name: .shortAndLong, help: "Write the 1024 bytes to a file.")
  var output: String?

  @Flag(name: .long, help: "Write the 1024 bytes to standard output.")
  var raw = false

  @OptionGroup var machine: MachineArgument

  func validate() throws {
    guard !raw || output == nil else { throw ValidationError("--raw and --output exclude each other") }
  }

  func run() throws {
    let td = try MountedTD(name, of: try machine.machine())
    if let data {
      let bytes = data.hasPrefix("0x") ? [UInt8](hexadecimal: data.dropFirst(2)) : Array(data.utf8)
      guard let bytes, (1...TDReport.reportDataSize).contains(bytes.count) else {
        throw Failure.usage("--data takes 1 to \(TDReport.reportDataSize) bytes, as text or as 0x and pairs of digits")
      }
      try td.setReportData(bytes)
    }
    let bytes = try td.read("report")
    guard let report = TDReport(bytes) else {
      throw Failure.refused("td/\(name)/report has \(bytes.count) bytes, and a report has \(TDReport.size)")
    }
    if let output {
      try write(bytes, to: output)
    } else if raw {
      Output.print(bytes: bytes)
    } else {
      Output.print(report.text, terminator: "")
    }
  }

  private func write(_ bytes: [UInt8], to path: String) throws {
    do {
      let file = try FileDescriptor.open(
        FilePath(path), .writeOnly, options: [.create, .truncate],
        permissions: [.ownerReadWrite, .groupRead, .otherRead])
      try file.closeAfter { _ = try file.writeAll(bytes) }
    } catch {
      throw Failure.refused("cannot write \(path): \(error)")
    }
  }
}

extension TDReport {
  /// All fields, one a line, with what they mean where that can be told.
  var text: String {
    Field.all.map { field in
      let value = self[field].hexadecimal
      let meaning = meaning(of: field)
      return "\(field.name) \(value)\(meaning.isEmpty ? "" : "  # \(meaning)")\n"
    }.joined()
  }

  private func meaning(of field: Field) -> String {
    let bytes = self[field]
    switch field {
    case .type: return "TDX, version \(bytes.dropFirst(2).first ?? 0)"
    case .teeTCBSVN: return "the module under which the TD was made: SVN \(svn(bytes))"
    case .teeTCBSVN2:
      let isSame = bytes.elementsEqual(self[.teeTCBSVN])
      return "the module that runs now: SVN \(svn(bytes))\(isSame ? "" : ", another one")"
    case .mrSignerSEAM: return bytes.allSatisfy { $0 == 0 } ? "Intel, or tdxfs' development key" : ""
    case .attributes: return Self.attributeNames(integer(field))
    case .servTDHash: return bytes.allSatisfy { $0 == 0 } ? "no service TD" : ""
    case _: return ""
    }
  }

  /// `1.13`: the major number is in the second byte.
  private func svn(_ bytes: ArraySlice<UInt8>) -> String {
    let both = Array(bytes.prefix(2))
    return both.count == 2 ? "\(both[1]).\(both[0])" : "-"
  }

  private static func attributeNames(_ value: UInt64) -> String {
    let names: [(bit: UInt64, name: String)] = [
      (0, "DEBUG"), (27, "LASS"), (28, "SEPT_VE_DISABLE"), (29, "MIGRATABLE"), (30, "PKS"), (31, "KL"), (63, "PERFMON"),
    ]
    return names.filter { value >> $0.bit & 1 != 0 }.map(\.name).joined(separator: " ")
  }
}
