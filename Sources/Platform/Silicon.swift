import ModuleImage
import PSEAMLDR
import SEAM
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
}

/// A SEAMCALL that was refused, and why, for people.
public struct SEAMCALLRefusal: Sendable, Equatable {
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
  @exclusivity(unchecked) private(set) var machine: Machine
  @exclusivity(unchecked) private(set) var loader: PSEAMLDR
  @exclusivity(unchecked) private(set) var module: TDXModule
  /// Called with every SEAMCALL that was executed.
  public var observer: ((SEAMCALLRecord) -> Void)?
  /// Calls that a firmware refused, with its reason for people, since this was emptied last.
  public var refusals: [SEAMCALLRefusal] = []

  /// Silicon in the state `state`.
  public init(_ state: SiliconState) {
    machine = state.machine
    loader = state.loader
    module = state.module
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
    let result = execute(registers, on: lp)
    if let reason = refusalReason(registers, result), refusals.count < Self.keptRefusals {
      refusals.append(SEAMCALLRefusal(lp: lp, rax: registers.rax, reason: reason))
    }
    observer?(SEAMCALLRecord(lp: lp, input: registers, result: result))
    return result
  }

  private func execute(_ registers: Registers, on lp: Int) -> SEAMCALLResult {
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
  private static let keptRefusals = 4096

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

  /// Host memory; what lies in the SEAM range reads as all ones, as the hardware's abort page.
  public func readPhysical(_ hpa: UInt64, count: Int) -> [UInt8] {
    guard !machine.overlapsSEAMRange(hpa, size: UInt64(clamping: count)) else {
      return [UInt8](repeating: 0xFF, count: max(0, count))
    }
    return machine.memory.read(hpa, count: count)
  }

  /// Host memory; what lies in the SEAM range reads as all ones.
  public func readPhysicalWords(_ hpa: UInt64) -> (low: UInt64, high: UInt64) {
    guard !machine.overlapsSEAMRange(hpa, size: 16) else { return (~0, ~0) }
    return machine.memory.words(at: hpa)
  }

  /// Host memory; writes into the SEAM range are dropped.
  public func writePhysical(_ bytes: [UInt8], at hpa: UInt64) {
    guard !machine.overlapsSEAMRange(hpa, size: UInt64(bytes.count)) else { return }
    machine.memory.write(bytes, at: hpa)
  }
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
}
