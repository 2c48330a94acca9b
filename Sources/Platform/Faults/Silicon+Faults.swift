import Basics
import SEAM

/// How fault plans act at the SEAMCALL door.
extension Silicon {
  /// Executes a SEAMCALL at which `actions` act, in their order.
  func execute(_ registers: Registers, on lp: Int, with actions: [FaultTable.Action]) -> SEAMCALLResult {
    var replacement: FaultPlan.Effect?
    let locks = module.locks
    var isHeld = false
    for action in actions {
      switch action.effect {
      case .answer(let status, let rdx, isExecuted: false):
        return .returned(Self.answer(to: registers, status: status, rdx: rdx))
      case .answer(_, _, isExecuted: true): replacement = action.effect
      case .vmFailInvalid: return .vmFailInvalid
      case .busy:
        guard Leaf(rax: registers.rax).contention != .loader else { return .vmFailInvalid }
        hold(for: registers)
        isHeld = true
      case .noEntropy(let draws, let skipping):
        machine.entropy.failures = draws
        machine.entropy.successesBeforeFailures = skipping
      case .corruptHandoff(let damage): corruptHandoff(damage)
      case .badPage: flipBit(ofImageAt: registers.rcx)
      case .delay, .dropLP, .noMemory, .powerLoss: break
      }
    }
    let result = execute(registers, on: lp)
    if isHeld { module.locks = locks }
    guard case .answer(let status, let rdx, _)? = replacement, case .returned(let output) = result else {
      return result
    }
    return .returned(Self.answer(to: output, status: status, rdx: rdx))
  }

  /// What a plan says in place of a firmware. INSTALL writes RDX also when it fails (pseamldr.md 1.2).
  private static func answer(to registers: Registers, status: CompletionStatus?, rdx: UInt64?) -> Registers {
    var registers = registers
    if Leaf(rax: registers.rax) == .loader(.install) { registers.rdx = 0 }
    if let status { registers.status = status }
    if let rdx { registers.rdx = rdx }
    return registers
  }

  /// Somebody else holds what the leaf needs, for the time of this call.
  private func hold(for registers: Registers) {
    switch Leaf(rax: registers.rax).contention {
    case .global?: module.locks.global = .exclusive
    case .tdmr?: module.locks.tdmrs = Set(module.tdmrs.indices)
    case .keyTable?: module.locks.kot = .exclusive
    // The page is in RCX, or in RDX behind a guest physical address.
    case .page?: module.locks.pages.formUnion([registers.rcx / 4096, registers.rdx / 4096])
    case .loader?, nil: break
    }
  }

  /// Damages the handoff data where they lie: at the start of the module's data region.
  private func corruptHandoff(_ damage: FaultPlan.HandoffDamage) {
    typealias Header = SEAMLayout.HandoffHeader
    let base = machine.dataRegionBase
    func ones(_ count: Int) -> [UInt8] { [UInt8](repeating: 0xFF, count: count) }
    switch damage {
    case .header: machine.memory.write(ones(Header.size), at: base)
    case .valid: machine.memory.write([0], at: base + UInt64(Header.valid))
    case .size: machine.memory.write(ones(4), at: base + UInt64(Header.dataSize))
    case .data:
      let size = UInt32(littleEndianBytes: machine.memory.read(base + UInt64(Header.dataSize), count: 4))
      let most = Int(SEAMLayout.codeRegionSize)
      machine.memory.write(ones(min(Int(size), most)), at: base + UInt64(Header.size))
    }
  }

  /// Flips a bit in the first page of the image that the SEAMLDR_PARAMS at `params` lead to.
  private func flipBit(ofImageAt params: UInt64) {
    let firstPage = UInt64(littleEndianBytes: readPhysical(params &+ 128, count: 8))
    let byte = readPhysical(firstPage &+ 2048, count: 1)
    writePhysical(byte.map { $0 ^ 1 }, at: firstPage &+ 2048)
  }

  /// What a plan says of a call that it answered; nil when a firmware did, whose own reason is the better one then.
  func injectedReason(_ actions: [FaultTable.Action], input: Registers) -> String? {
    for action in actions {
      switch action.effect {
      case .answer, .vmFailInvalid: return "the answer is not the firmware's own"
      case .busy:
        guard Leaf(rax: input.rax).contention == .loader else { continue }
        return "another LP is inside the P-SEAMLDR, which has no queue"
      case .noEntropy, .corruptHandoff, .badPage, .delay, .dropLP, .noMemory, .powerLoss: continue
      }
    }
    return nil
  }
}
