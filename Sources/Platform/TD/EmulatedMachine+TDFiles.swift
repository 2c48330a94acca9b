import Basics
import SEAM
import SystemPackage
import TDXHost

/// What the files of a TD show.
extension EmulatedMachine {
  /// `td/NAME/state`: what the monitor and the module know, `-` for what cannot be known.
  public func tdState(_ reference: TDReference) throws(ControlError) -> String {
    try lookAtTD(reference, file: "state") { td, host, silicon in
      let lifecycle = td.read(.lifecycleState, host: host, door: silicon).map(TrustDomain.name(ofLifecycle:))
      let opState = td.read(.opState, host: host, door: silicon).map(TrustDomain.name(ofOpState:))
      let isAlive = td.isAlive(host: host, door: silicon)
      let lines: [(String, String)] = [
        ("name", td.name), ("state", td.state.name), ("alive", isAlive ? "1" : "0"),
        ("dead", isAlive ? "-" : td.bug ?? "the module that ran it is out of reach, or gave it up"),
        ("lifecycle", lifecycle ?? "-"), ("op_state", opState ?? "-"), ("hkid", td.keyID.map { "\($0)" } ?? "-"),
        ("tdr", td.tdr.map(Self.hex) ?? "-"), ("vcpus", "\(td.vcpus.count)"),
        ("max_vcpus", "\(td.parameters.maxVCPUs)"),
        ("pages", "\(td.memory.pages.count)"), ("sept_pages", "\(td.memory.tableCount)"),
        ("host_pages", "\(td.hostPageCount)"), ("image_pages", td.image.map(Self.progress) ?? "-"),
        ("module", "\(td.madeUnder)"),
      ]
      return lines.map { "\($0.0)=\($0.1)\n" }.joined()
    }
  }

  private static func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

  private static func progress(of image: TDImageBuild) -> String {
    "\(image.pagesAdded)/\(image.metadata?.pagesToAdd ?? image.pagesExpected)"
  }

  /// `td/NAME/alive`
  public func isTDAlive(_ reference: TDReference) throws(ControlError) -> Bool {
    try lookAtTD(reference, file: "alive") { td, host, silicon in td.isAlive(host: host, door: silicon) }
  }

  /// `td/NAME/last_exit`: how a vCPU left last; all keys, `-` for what there is not.
  public func tdLastExit(_ reference: TDReference) throws(ControlError) -> String {
    try lookAtTD(reference, file: "last_exit") { td, _, _ in
      guard let exit = td.lastExit else {
        return "exit=-\nreason=-\nstatus=-\nvcpu=-\nlp=-\nentries=-\ndetail=-\n"
      }
      let reason = exit.status.rawValue >> 62 == 0 ? "\(exit.reason & 0xFFFF)" : "-"
      return """
        exit=\(exit.kind.name)
        reason=\(reason)
        status=\(exit.statusText)
        vcpu=\(exit.vcpu)
        lp=\(exit.lp)
        entries=\(exit.entries)
        detail=\(exit.detail.isEmpty ? "-" : exit.detail)

        """
    }
  }

  /// `td/NAME/attributes`, `xfam`: as they were given to TDH.MNG.INIT.
  public func tdParameters(_ reference: TDReference, file: String) throws(ControlError) -> TDParameters {
    try lookAtTD(reference, file: file) { td, _, _ in td.parameters }
  }

  /// `td/NAME/reportdata`: the 64 bytes.
  public func tdReportData(_ reference: TDReference) throws(ControlError) -> [UInt8] {
    try lookAtTD(reference, file: "reportdata") { td, _, _ in td.reportData }
  }

  /// Takes 1 to 64 bytes, filled up with zeros.
  public func setTDReportData(_ reference: TDReference, _ bytes: [UInt8]) throws(ControlError) {
    try withTD(reference, file: "reportdata") { (td, _, _) throws(TDError) in
      guard (1...TDReport.reportDataSize).contains(bytes.count) else {
        throw .invalid("\(bytes.count) bytes, and REPORTDATA has 1 to \(TDReport.reportDataSize)")
      }
      td.reportData = bytes + [UInt8](repeating: 0, count: TDReport.reportDataSize - bytes.count)
    }
  }

  /// A report that the guest makes now, with what is in `reportdata`; `file` is the one that asks.
  /// - Throws: EIO when the TD can't make one.
  public func tdReport(_ reference: TDReference, file: String) throws(ControlError) -> TDReport {
    try withTD(reference, file: file) { (td, host, silicon) throws(TDError) in
      guard !td.isOpenBuild else { throw TDError(.ioError, "a TD makes reports once it is finalized, and alive") }
      return try td.report(with: td.reportData, host: &host, door: silicon)
    }
  }

  /// A field of a report that is made now; nil while the TD is being built and nobody knows it.
  public func tdMeasurement(_ reference: TDReference, _ field: TDReport.Field, file: String) throws(ControlError)
    -> [UInt8]?
  {
    let isOpen = try lookAtTD(reference, file: file) { td, host, silicon in
      td.isOpenBuild && td.isAlive(host: host, door: silicon)
    }
    guard !isOpen else { return nil }
    return Array(try tdReport(reference, file: file)[field])
  }

  /// Takes bytes of the firmware image that the TD is to be built from.
  public func writeTDImage(_ reference: TDReference, _ bytes: [UInt8], at offset: Int64) throws(ControlError) {
    try withTD(reference, file: "image") { (td, _, _) throws(TDError) in
      var image = td.image ?? TDImageBuild()
      // Held here alone, so that its bytes are not copied.
      td.image = nil
      defer { td.image = image }
      try image.write(bytes, at: offset)
    }
  }
}

extension TDImageBuild {
  /// Pages that it will add, as far as is known before it begins.
  fileprivate var pagesExpected: Int { (try? TDVFImage(bytes))?.pagesToAdd ?? 0 }
}

extension TrustDomain.State {
  /// One word.
  var name: String {
    switch self {
    case .initialized: "open"
    case .runnable: "finalized"
    case .importing: "importing"
    case .imported: "imported"
    }
  }
}
