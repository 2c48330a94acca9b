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

/// Executes SEAMCALLs: routes each to the firmware that the CPU would enter, and reports it.
///
/// Not thread-safe: whoever holds the machine's lock may use it.
public final class Silicon: SEAMCALLDoor {
  /// Hardware and firmwares.
  public var state: SiliconState
  /// Called with every SEAMCALL that was executed.
  public var observer: ((SEAMCALLRecord) -> Void)?

  /// Silicon in the state `state`.
  public init(_ state: SiliconState) {
    self.state = state
  }

  public func seamcall(_ registers: Registers, on lp: Int) -> SEAMCALLResult {
    let result = execute(registers, on: lp)
    observer?(SEAMCALLRecord(lp: lp, input: registers, result: result))
    return result
  }

  private func execute(_ registers: Registers, on lp: Int) -> SEAMCALLResult {
    var registers = registers
    switch state.machine.route(rax: registers.rax) {
    case .loader:
      state.loader.seamcall(&registers, on: lp, machine: &state.machine)
      return .returned(registers)
    case .module:
      state.module.seamcall(&registers, on: lp, machine: &state.machine)
      return .returned(registers)
    case .vmFailInvalid:
      return .vmFailInvalid
    }
  }

  public func readPhysical(_ hpa: UInt64, count: Int) -> [UInt8] {
    state.machine.memory.read(hpa, count: count)
  }

  public func writePhysical(_ bytes: [UInt8], at hpa: UInt64) {
    state.machine.memory.write(bytes, at: hpa)
  }
}
