import Basics
import SEAM
import SystemPackage
import TDXHost

/// The words that have a guest do something, and those that manage its memory.
extension EmulatedMachine {
  /// The most bytes that one `read` gives.
  private static let readLimit = 65_536

  static func runGuest(
    _ step: TDStep, _ td: inout TrustDomain, _ host: inout LinuxHost, _ silicon: Silicon
  ) throws(TDError) -> String {
    if step.word == .enter {
      let exit = try td.run(vcpu: try step.vcpu(), on: try step.lp(), host: &host, door: silicon)
      guard exit.kind != .internalError else {
        throw TDError(.ioError, "KVM_EXIT_INTERNAL_ERROR: TDH.VP.ENTER on LP \(exit.lp) gave \(exit.statusText)")
      }
      return ["exit=\(exit.kind.name)", "entries=\(exit.entries)", exit.detail].filter { !$0.isEmpty }
        .joined(separator: " ")
    }
    let steps = try guestSteps(step)
    let outcomes = try td.runGuest(
      steps, vcpu: try step.vcpu(), on: try step.lp(), endsAtVMCall: step.word == .vmcall || step.word == .halt,
      host: &host, door: silicon)
    return try result(of: step, outcomes, td)
  }

  private static func guestSteps(_ step: TDStep) throws(TDError) -> [GuestStep] {
    switch step.word {
    case .accept:
      let gpa = try step.required(.gpa)
      let count = try step.count(.count, else: 1)
      guard (1...262_144).contains(count) else { throw .invalid("count=\(count): 1 to 262144 pages are accepted") }
      return (0..<UInt64(count)).map { .tdcall(Registers(rax: GuestLeaf.memPageAccept, rcx: gpa &+ $0 &* 4096)) }
    case .read:
      let count = try step.count(.count, else: 64)
      guard (1...readLimit).contains(count) else { throw .invalid("count=\(count): 1 to \(readLimit) bytes are read") }
      return [.read(gpa: try step.required(.gpa), count: count)]
    case .write:
      guard let data = try step.bytes(.data), !data.isEmpty else { throw .invalid("write needs data=, hexadecimal") }
      return [.write(gpa: try step.required(.gpa), bytes: data)]
    case .rtmr:
      guard let data = try step.bytes(.data), data.count <= TDParameters.hashSize else {
        throw .invalid("rtmr needs data=, hexadecimal, of \(TDParameters.hashSize) bytes at most")
      }
      return extend(rtmr: try step.required(.index), data)
    case .info: return [.tdcall(Registers(rax: GuestLeaf.vpInfo))]
    case .vmcall:
      // R10 and R11 are exposed, bits 10 and 11 of the mask.
      let leaf = try step.number(.leaf) ?? 0x10000
      return [.tdcall(Registers(rax: GuestLeaf.vpVMCall, rcx: 0xC00, r11: leaf))]
    case .halt: return [.halt]
    case .initialize, .vcpu, .addPage, .extend, .add, .image, .finalize, .enter, .aug, .block, .unblock, .track,
      .remove, .zap, .flush, .rd, .bind, .prebind, .exportStart, .exportInterrupt, .exportResume, .exportPause,
      .exportState, .exportAbort, .migrate:
      return []
    }
  }

  /// The guest puts the 48 bytes into its page for reports, which it accepts first.
  private static func extend(rtmr index: UInt64, _ data: [UInt8]) -> [GuestStep] {
    let page = TrustDomain.reportPage
    return [
      .tdcall(Registers(rax: GuestLeaf.memPageAccept, rcx: page)),
      .write(gpa: page, bytes: data + [UInt8](repeating: 0, count: max(0, 48 - data.count))),
      .tdcall(Registers(rax: GuestLeaf.mrRTMRExtend, rcx: page, rdx: index)),
    ]
  }

  private static func result(of step: TDStep, _ outcomes: [GuestOutcome], _ td: TrustDomain) throws(TDError) -> String {
    let left =
      td.lastExit.map { ["exit=\($0.kind.name)", $0.detail].filter { !$0.isEmpty }.joined(separator: " ") } ?? ""
    guard let last = outcomes.last else { return left }
    switch last {
    case .bytes(let bytes): return bytes.hexadecimal
    case .written, .resumed: return left
    case .virtualizationException(let reason, let gpa):
      throw .invalid("the guest got a #VE (exit reason \(reason), gpa=0x\(String(gpa, radix: 16)))")
    case .registers(let registers):
      let refused = outcomes.compactMap { outcome -> CompletionStatus? in
        guard case .registers(let registers) = outcome, registers.status.isError else { return nil }
        return registers.status
      }
      if let status = refused.first, step.word != .vmcall { throw .invalid("the guest got \(status)") }
      guard step.word == .info else { return "status=\(registers.status)" }
      let values = [
        ("gpa_width", registers.rcx), ("attributes", registers.rdx), ("num_vcpus", registers.r8 & 0xFFFF_FFFF),
        ("max_vcpus", registers.r8 >> 32), ("index", registers.r9), ("r10", registers.r10), ("r11", registers.r11),
      ]
      return values.map { "\($0.0)=0x\(String($0.1, radix: 16))" }.joined(separator: " ")
    }
  }

  static func manage(
    _ step: TDStep, _ td: inout TrustDomain, _ host: inout LinuxHost, _ silicon: Silicon
  ) throws(TDError) -> String {
    switch step.word {
    case .aug:
      try td.augment(at: try step.required(.gpa), count: try pageCount(step), host: &host, door: silicon)
      return "augmented"
    case .block:
      try td.block(try step.required(.gpa), host: &host, door: silicon)
      return "blocked"
    case .unblock:
      try td.unblock(try step.required(.gpa), host: &host, door: silicon)
      return "unblocked"
    case .track:
      try td.track(host: &host, door: silicon)
      return "tracked"
    case .remove:
      try td.remove(try step.required(.gpa), host: &host, door: silicon)
      return "removed"
    case .zap:
      try td.zap(try step.required(.gpa), host: &host, door: silicon)
      return "zapped"
    case .flush:
      try td.flush(try step.vcpu(), host: &host, door: silicon)
      return "flushed"
    case .rd:
      let value = try td.readMetadata(try step.required(.field), host: &host, door: silicon)
      return "0x" + String(value, radix: 16)
    case .initialize, .vcpu, .addPage, .extend, .add, .image, .finalize, .enter, .accept, .read, .write, .rtmr, .info,
      .vmcall, .halt, .bind, .prebind, .exportStart, .exportInterrupt, .exportResume, .exportPause, .exportState,
      .exportAbort, .migrate:
      return ""
    }
  }
}
