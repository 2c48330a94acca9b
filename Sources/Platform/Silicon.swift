import Basics
import ModuleImage
import PSEAMLDR
import SEAM
import TDXHost
import TDXModule

/// The processor package side of a machine: the hardware and both firmwares, behind the one door that the host kernel
/// has. A value, so that a copy is a snapshot.
public struct SiliconState: Sendable {
  /// Memory, SEAMEXTEND, SEAMDB.
  public var machine: Machine
  /// The loader.
  public var loader: PSEAMLDR
  /// The module.
  public var module: TDXModule
}

/// One executed SEAMCALL, as the trace keeps it.
public struct SEAMCALLRecord: Sendable, Equatable {
  /// Logical processor.
  public var lp: Int
  /// Registers that went in.
  public var input: Registers
  /// What came out.
  public var result: SEAMCALLResult
  /// The machine's clock when it began, in microseconds.
  public var begin: UInt64
  /// How long it took, in microseconds.
  public var duration: UInt64
  /// The fault plans that acted at it.
  public var plans: [String]
}

/// A SEAMCALL that was refused, and why, for people.
public struct SEAMCALLRefusal: Sendable, Equatable, Codable {
  /// Logical processor.
  public var lp: Int
  /// RAX that went in.
  public var rax: UInt64
  /// What the firmware found.
  public var reason: String
}

/// Executes SEAMCALLs: routes each to the firmware that the CPU would enter, and reports it.
///
/// Not thread-safe: whoever holds the machine's lock may use it.
public final class Silicon: SEAMCALLDoor {
  // Apart, because a firmware changes itself and the machine in one call.
  @exclusivity(unchecked) var machine: Machine
  @exclusivity(unchecked) private(set) var loader: PSEAMLDR
  @exclusivity(unchecked) var module: TDXModule
  // The same for what is looked at in every call.
  /// Called with every SEAMCALL that was executed.
  @exclusivity(unchecked) public var observer: ((SEAMCALLRecord) -> Void)?
  /// Calls that a firmware refused, with its reason for people, since this was emptied last.
  @exclusivity(unchecked) public var refusals: [SEAMCALLRefusal] = []
  /// The stage of the update that makes the next calls; nil for all other calls.
  @exclusivity(unchecked) var stage: FaultPlan.Stage?
  /// Nothing goes wrong and nobody is told: for looks at the machine that are no calls of its kernel.
  @exclusivity(unchecked) var isUnobserved = false
  /// When the next call begins, where its maker has just read the clock.
  @exclusivity(unchecked) var presetBegin: UInt64?
  private let faults: FaultPlans
  private let clock: any MachineClock

  /// Silicon in the state `state`, at whose door the plans of `faults` act, and whose calls take the time of `clock`.
  public init(
    _ state: SiliconState, faults: FaultPlans = FaultPlans(),
    clock: any MachineClock = MonotonicClock()
  ) {
    machine = state.machine
    loader = state.loader
    module = state.module
    self.faults = faults
    self.clock = clock
  }

  /// All of it as one value.
  public var state: SiliconState {
    get { SiliconState(machine: machine, loader: loader, module: module) }
    set {
      machine = newValue.machine
      loader = newValue.loader
      module = newValue.module
    }
  }

  /// Executes SEAMCALL on the logical processor `lp`.
  public func seamcall(_ registers: Registers, on lp: Int) -> SEAMCALLResult {
    if isUnobserved { return execute(registers, on: lp) }
    let begin = presetBegin ?? clock.microseconds()
    presetBegin = nil
    let leaf = Leaf(rax: registers.rax)
    let hasPlans = !faults.areNone
    let actions =
      hasPlans ? faults.withLock { $0.actions(at: .call(FaultCall(leaf: leaf, lp: lp, stage: stage))) } : []
    let result = actions.isEmpty ? execute(registers, on: lp) : execute(registers, on: lp, with: actions)
    clock.spend(leaf.virtualDuration)
    if hasPlans { faults.withLock { $0.ended(leaf, isSuccess: result.linuxStatus == 0) } }
    if let reason = injectedReason(actions, input: registers) ?? refusalReason(registers, result),
      refusals.count < Self.keptRefusals
    {
      refusals.append(SEAMCALLRefusal(lp: lp, rax: registers.rax, reason: reason))
    }
    observer?(
      SEAMCALLRecord(
        lp: lp, input: registers, result: result, begin: begin, duration: clock.microseconds() &- begin,
        plans: actions.isEmpty ? [] : actions.map(\.plan)))
    return result
  }

  func execute(_ registers: Registers, on lp: Int) -> SEAMCALLResult {
    var registers = registers
    switch machine.route(rax: registers.rax) {
    case .loader:
      loader.seamcall(&registers, on: lp, machine: &machine)
      return .returned(registers)
    case .module:
      module.seamcall(&registers, on: lp, machine: &machine)
      // A fatal internal error of the module ends the call, and all later ones, as if there were no module.
      return module.isDead ? .vmFailInvalid : .returned(registers)
    case .vmFailInvalid:
      return .vmFailInvalid
    }
  }

  /// An update makes at most a few failing calls a CPU; more tell nothing new.
  static let keptRefusals = 4096

  /// What the firmware that was entered says about its refusal.
  private func refusalReason(_ input: Registers, _ result: SEAMCALLResult) -> String? {
    switch result {
    case .returned(let output):
      guard output.rax != 0 else { return nil }
      guard input.rax >> 63 != 0 else { return module.lastDiagnostic }
      return LoaderLeaf(rawValue: input.rax) == .install ? loader.lastInstall?.refusal?.reason : nil
    case .vmFailInvalid: return missingFirmware(rax: input.rax)
    case .generalProtection, .invalidOpcode: return nil
    }
  }

  private func missingFirmware(rax: UInt64) -> String {
    if rax >> 63 != 0 { return "no P-SEAMLDR is there any more" }
    let callers = loader.installCallers
    let total = machine.configuration.logicalProcessors
    if callers > 0 {
      return "the P-SEAMLDR installs when all \(total) LPs have called SEAMLDR.INSTALL, and only \(callers) did: "
        + "there is no module that could be called"
    }
    return module.isDead ? module.lastDiagnostic ?? "the module stopped" : "no TDX module is loaded"
  }

  /// Host memory; what lies in the SEAM range reads as all ones, as the hardware's abort page, and what was written under a
  /// private KeyID as zeros.
  public func readPhysical(_ hpa: UInt64, count: Int) -> [UInt8] {
    guard !machine.overlapsSEAMRange(hpa, size: UInt64(clamping: count)) else {
      return [UInt8](repeating: 0xFF, count: max(0, count))
    }
    return machine.memory.hostRead(hpa, count: count)
  }

  /// Host memory; what lies in the SEAM range reads as all ones.
  public func readPhysicalWords(_ hpa: UInt64) -> (low: UInt64, high: UInt64) {
    guard !machine.overlapsSEAMRange(hpa, size: 16) else { return (~0, ~0) }
    return machine.memory.words(at: hpa)
  }

  /// Host memory; writes into the SEAM range, and over what was written under a private KeyID, are dropped.
  public func writePhysical(_ bytes: [UInt8], at hpa: UInt64) {
    guard !machine.overlapsSEAMRange(hpa, size: UInt64(bytes.count)) else { return }
    machine.memory.hostWrite(bytes, at: hpa)
  }

  /// A page of zeros takes no room; dropped where ``writePhysical(_:at:)`` is.
  public func clearPage(_ hpa: UInt64) {
    guard !machine.overlapsSEAMRange(hpa, size: UInt64(PhysicalMemory.pageSize)),
      machine.memory.page(at: hpa)?.isPrivate != true
    else { return }
    machine.memory.setPage(nil, at: hpa)
  }
}

extension Silicon: InterruptDoor {
  /// An interrupt of the host's, at `lp`.
  public func sendInterrupt(to lp: Int) { machine.sendInterrupt(to: lp) }
}

extension Silicon: GuestDoor {
  /// Gives the vCPU more to do.
  public func appendGuestSteps(_ steps: [GuestStep], toVCPU tdvpr: UInt64) {
    machine.guests[tdvpr, default: GuestProgram()].steps += steps
  }

  /// What the vCPU has seen.
  public func takeGuestOutcomes(ofVCPU tdvpr: UInt64) -> [GuestOutcome] {
    let outcomes = machine.guests[tdvpr]?.outcomes ?? []
    machine.guests[tdvpr]?.outcomes = []
    return outcomes
  }

  /// Forgets what its software had still to do.
  public func forgetGuest(ofVCPU tdvpr: UInt64) { machine.guests[tdvpr] = nil }
}
