import Basics
import SEAM
import SystemPackage
import TDXHost

/// The words of migration and of service TDs.
extension EmulatedMachine {
  static func migrate(
    _ step: TDStep, _ td: inout TrustDomain, _ host: inout LinuxHost, _ silicon: Silicon
  ) throws(TDError) -> String {
    switch step.word {
    case .bind:
      try td.bind(
        step[.service].map { .named($0) } ?? .monitors, attributes: try step.number(.attributes) ?? 0, host: &host,
        door: silicon)
      return "bound"
    case .prebind:
      guard let hash = try step.bytes(.hash), hash.count == TDParameters.hashSize else {
        throw .invalid("prebind needs hash=, \(TDParameters.hashSize) bytes in hexadecimal")
      }
      try td.prebind(hash: hash, attributes: try step.number(.attributes) ?? 0, host: &host, door: silicon)
      return "pre-bound"
    case .exportStart: return text(try td.startExport(on: try step.lp(), host: &host, door: silicon))
    case .exportInterrupt: return text(try td.interruptExport(on: try step.lp(), host: &host, door: silicon))
    case .exportResume: return text(try td.resumeExport(host: &host, door: silicon))
    case .exportPause:
      try td.pauseExport(host: &host, door: silicon)
      return "paused"
    case .exportState: return text(try td.exportState(on: try step.lp(), host: &host, door: silicon))
    case .exportAbort:
      try td.abortExport(host: &host, door: silicon)
      return "aborted"
    case .initialize, .vcpu, .addPage, .extend, .add, .image, .finalize, .enter, .accept, .read, .write, .rtmr, .info,
      .vmcall, .halt, .aug, .block, .unblock, .track, .remove, .zap, .flush, .rd, .migrate:
      return ""
    }
  }

  private static func text(_ outcome: MigrationOutcome) -> String {
    switch outcome {
    case .complete(let pages): "complete pages=\(pages)"
    case .interrupted: "interrupted"
    }
  }
}
