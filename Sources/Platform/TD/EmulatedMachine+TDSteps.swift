import Basics
import SEAM
import SystemPackage
import TDXHost

/// What a word for `td/NAME/step` does.
extension EmulatedMachine {
  /// Does the step in `text` with a TD. What came of it is what `step` reads then.
  /// - Throws: EINVAL for a word or operand that can't be, and for what the module refuses; EBUSY, ENOMEM and EIO as KVM;
  ///   ERESTARTSYS while an update runs; ENODEV when that TD is gone.
  public func stepTD(_ reference: TDReference, _ text: String) throws(ControlError) {
    try duringNoUpdate("td/\(reference.name)/step") { () throws(TDError) in
      try requireTD(reference)
      let step = try TDStep(text)
      trace.note("td", [("name", .text(reference.name)), ("step", .text(step.word.rawValue))], time: now)
      if step.word == .initialize {
        try remake(reference.name, step)
        return
      }
      if step.word == .migrate {
        guard let destination = step[.to] else { throw .invalid("migrate needs to=NAME") }
        try host.migrateTD(reference.name, to: destination, door: silicon)
        return
      }
      try host.withTD(reference.name) { (td, host) throws(TDError) in
        td.lastResult = try Self.perform(step, on: &td, host: &host, silicon: silicon)
      }
    }
  }

  /// `td/NAME/step`: what came of the last step, or which words there are.
  public func tdStepText(_ reference: TDReference) throws(ControlError) -> String {
    try lookAtTD(reference, file: "step") { td, _, _ in td.lastResult.isEmpty ? TDWord.helpText : td.lastResult + "\n" }
  }

  private static func perform(
    _ step: TDStep, on td: inout TrustDomain, host: inout LinuxHost, silicon: Silicon
  ) throws(TDError) -> String {
    switch step.word {
    case .initialize, .migrate: return ""  // Of more than this TD, above.
    case .vcpu, .addPage, .add, .extend, .image, .finalize:
      return try build(step, &td, &host, silicon)
    case .enter, .accept, .read, .write, .rtmr, .info, .vmcall, .halt:
      return try runGuest(step, &td, &host, silicon)
    case .aug, .block, .unblock, .track, .remove, .zap, .flush, .rd:
      return try manage(step, &td, &host, silicon)
    case .bind, .prebind, .exportStart, .exportInterrupt, .exportResume, .exportPause, .exportState, .exportAbort:
      return try migrate(step, &td, &host, silicon)
    }
  }

  private func remake(_ name: String, _ step: TDStep) throws(TDError) {
    var parameters = TDParameters(info: host.sysInfo, presentCPUs: host.configuration.presentCPUs)
    if let attributes = try step.number(.attributes) { parameters.attributes = TDAttributes(rawValue: attributes) }
    if step.has(.debug) { parameters.attributes.insert(.debug) }
    if step.has(.migratable) { parameters.attributes.insert(.migratable) }
    if let xfam = try step.number(.xfam) { parameters.xfam = xfam }
    if let most = try step.number(.maxVCPUs) {
      guard let short = UInt16(exactly: most) else { throw .invalid("max_vcpus=\(most) is too large") }
      parameters.maxVCPUs = short
    }
    parameters.hasWideGPA = step.has(.wide)
    parameters.mrConfigID = try Self.hash(step, .mrConfigID)
    parameters.mrOwner = try Self.hash(step, .mrOwner)
    parameters.mrOwnerConfig = try Self.hash(step, .mrOwnerConfig)
    try host.remakeTD(name, parameters: parameters, isForImport: step.has(.importing), door: silicon)
  }

  private static func hash(_ step: TDStep, _ operand: TDOperand) throws(TDError) -> [UInt8] {
    let bytes = try step.bytes(operand) ?? []
    guard bytes.count <= TDParameters.hashSize else {
      throw .invalid("\(operand.rawValue) has \(TDParameters.hashSize) bytes at most")
    }
    return bytes
  }

  // MARK: Building

  private static func build(
    _ step: TDStep, _ td: inout TrustDomain, _ host: inout LinuxHost, _ silicon: Silicon
  ) throws(TDError) -> String {
    switch step.word {
    case .vcpu:
      let lp = try step.lp()
      let rcx = try step.number(.rcx) ?? td.firmwareHOB
      for _ in 0..<(try step.count(.count, else: 1)) {
        try td.addVCPU(rcx: rcx, on: lp, host: &host, door: silicon)
      }
      return "vcpus=\(td.vcpus.count)"
    case .addPage, .add:
      let gpa = try step.number(.gpa) ?? td.nextPage
      let count = try pageCount(step)
      let content = try content(step, td, count: count)
      try td.addPages(
        at: gpa, count: count, content: content, isMeasured: step.word == .add || step.has(.measure), host: &host,
        door: silicon)
      return "gpa=0x\(String(gpa, radix: 16)) pages=\(count)"
    case .extend:
      guard let gpa = try step.number(.gpa) ?? td.lastPage else { throw .invalid("no page was added: name a gpa=") }
      let chunks = try step.count(.chunks, else: 16)
      try td.extend(from: gpa, chunks: chunks, host: &host, door: silicon)
      return "gpa=0x\(String(gpa, radix: 16)) chunks=\(chunks)"
    case .image:
      let limit = try step.count(.pages, else: .max)
      let isComplete = try td.addImagePages(limit, host: &host, door: silicon)
      let image = td.image ?? TDImageBuild()
      return "pages=\(image.pagesAdded)/\(image.metadata?.pagesToAdd ?? 0) done=\(isComplete ? 1 : 0)"
    case .finalize:
      try td.finalize(host: &host, door: silicon)
      return "finalized"
    case .initialize, .enter, .accept, .read, .write, .rtmr, .info, .vmcall, .halt, .aug, .block, .unblock, .track,
      .remove, .zap, .flush, .rd, .bind, .prebind, .exportStart, .exportInterrupt, .exportResume, .exportPause,
      .exportState, .exportAbort, .migrate:
      return ""
    }
  }

  /// The most pages that one step adds, 4 GiB: the machine is held for as long as it takes.
  private static let pageLimit = 1 << 20

  /// How many pages a step is to add.
  static func pageCount(_ step: TDStep) throws(TDError) -> Int {
    let count = try step.count(.count, else: 1)
    guard count <= pageLimit else { throw .invalid("count=\(count): one step adds \(pageLimit) pages at most") }
    return count
  }

  /// What is put into new pages: `pattern=counting` (the default), `pattern=0xNN`, or `source=OFFSET` in the image.
  private static func content(_ step: TDStep, _ td: TrustDomain, count: Int) throws(TDError) -> PageContent {
    if let offset = try step.number(.source) {
      guard step[.pattern] == nil else { throw .invalid("pattern and source exclude each other") }
      guard let image = td.image, let start = Int(exactly: offset), start < image.bytes.count else {
        throw .invalid("source=\(offset) lies beyond the end of the file image")
      }
      return .bytes(Array(image.bytes[start...].prefix(count.multipliedReportingOverflow(by: 4096).partialValue)))
    }
    guard let pattern = step[.pattern], pattern != "counting" else { return .counting }
    guard let number = try? step.number(.pattern), let byte = UInt8(exactly: number) else {
      throw .invalid("pattern=\(pattern[...].shown) is neither counting nor a byte")
    }
    return .filled(byte)
  }
}

extension TrustDomain {
  /// Where a page goes that is given no address: behind the last one, else at 0x1000.
  fileprivate var nextPage: UInt64 { lastPage.map { $0 &+ 4096 } ?? 0x1000 }

  /// Where the firmware that is to be built finds the TD HOB; 0 without one.
  fileprivate var firmwareHOB: UInt64 {
    guard let image, let metadata = image.metadata ?? (try? TDVFImage(image.bytes)) else { return 0 }
    return metadata.sections.first { $0.kind == .tdHOB }?.address ?? 0
  }
}
