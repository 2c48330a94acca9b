import ModuleImage
import SEAM

/// The TDX module: what answers a SEAMCALL with RAX[63] = 0.
///
/// A value; a copy is a snapshot. What real silicon keeps in the data region of the SEAM range lives in ``state`` and begins
/// anew with every image that the P-SEAMLDR loads; what it keeps in memory outside (PAMT) survives an update and stands
/// beside it. The handoff data are the only thing that passes from one image to the next, and they pass through SEAM memory.
public struct TDXModule: Sendable, Codable {
  /// The data region of the image that was seen last; nil before the first SEAMCALL.
  var state: ModuleState?
  /// `machine.imageGeneration` at the last entry.
  var generation: UInt64?
  /// The physical address metadata of all TDMRs. Lives outside the SEAM range, hence survives an update.
  var pamt = PAMT()
  /// The TDs by the address of their TDR, and the vCPUs by that of their TDVPR. Both live outside the SEAM range too.
  var tds: TDTable = [:]
  var vcpus: [UInt64: VCPU] = [:]

  /// What the platform answers to the checks of TDH.SYS.INIT, TDH.SYS.LP.INIT and TDH.SYS.KEY.CONFIG. Of the hardware, so
  /// it stays when another image is loaded.
  public var conditions = PlatformConditions()
  /// Locks that something other than the calling LP holds. They stay until they are taken away.
  public var locks = HeldLocks()
  /// The LPs that are inside the module at this moment, a vCPU in TDH.VP.ENTER included. The caller of a leaf counts
  /// without being in it.
  public var lpsInside: Set<Int> = []

  /// For people: why the last SEAMCALL was refused, one sentence; nil when it was not. No part of the ABI.
  public internal(set) var lastDiagnostic: String?

  /// A module that has not been entered yet.
  public init() {}

  /// SYS_STATE of the image that was entered last; `.initPending` before the first entry.
  public var sysState: SysState { state?.sysState ?? .initPending }

  /// SYS_STATE of the image that is in the SEAM range of `machine`, entered or not.
  public func sysState(in machine: Machine) -> SysState {
    generation == machine.imageGeneration ? sysState : .initPending
  }

  /// Whether the image that was entered last had a fatal internal error. Then SEAM_READY is 0, and the SEAMCALL during which it
  /// happened is a VMfailInvalid too: its registers are unchanged (tdx-module.md 3.1).
  public var isDead: Bool { state?.isDead ?? false }

  /// The program of the image that was entered last.
  public var program: ModuleProgram? { state?.program }

  /// Number of LPs that did TDH.SYS.LP.INIT.
  public var initializedLPs: Int { state?.initializedLPs.count ?? 0 }

  /// The global private KeyID; nil before TDH.SYS.CONFIG or TDH.SYS.UPDATE.
  public var globalKeyID: UInt16? {
    guard let state, state.handoff.hkid != 0 else { return nil }
    return state.handoff.hkid
  }

  /// TD_BUILD_COUNT: TDs between TDH.MNG.INIT and TDH.MR.FINALIZE (tdx-module.md 9).
  public var tdBuildCount: UInt16 {
    get { state?.handoff.tdBuildCount ?? 0 }
    set { state?.handoff.tdBuildCount = newValue }
  }

  /// MIG_INTERRUPTED_COUNT: migration operations that were interrupted and not resumed yet (tdx-module.md 9).
  public var migInterruptedCount: UInt16 {
    get { state?.handoff.migInterruptedCount ?? 0 }
    set { state?.handoff.migInterruptedCount = newValue }
  }

  /// Whether the host chose, with TDH.SYS.UPDATE or TDH.SYS.CONFIG version 1, that a build begun under another crypto
  /// library is refused instead of measured wrongly.
  public var updateCompatibility: Bool { state?.updateCompatibility ?? false }

  /// The configured TDMRs: base and size in bytes, and the first address whose metadata are not initialised.
  public var tdmrs: [(base: UInt64, size: UInt64, nextToInitialize: UInt64)] {
    (state?.handoff.tdmrs ?? []).map { ($0.base, $0.size, $0.nextToInitialize) }
  }

  /// Index in the SEAMDB of this load of the module, sampled by TDH.SYS.INIT; nil before.
  public var seamdbIndex: Int? { state?.seamdb?.index }

  /// Executes one SEAMCALL with RAX[63] = 0 on `lp`. The caller has checked that SEAM_READY is 1.
  ///
  /// A fatal internal error leaves `registers` as they were, clears SEAM_READY and sets ``isDead``.
  public mutating func seamcall(_ registers: inout Registers, on lp: Int, machine: inout Machine) {
    if generation != machine.imageGeneration {
      generation = machine.imageGeneration
      state = machine.residentProgram.map { ModuleState(program: $0) }
    }
    lastDiagnostic = nil
    guard state?.isDead == false else {
      machine.seamExtend.seamReady = false
      lastDiagnostic = "no working TDX module is in the SEAM range"
      return
    }
    var call = Call(registers: registers, lp: lp)
    do throws(ModuleError) {
      call.registers.status = try dispatch(&call, machine: &machine)
    } catch {
      switch error {
      case .refused(let status, let reason):
        call.registers.status = status
        lastDiagnostic = reason
      case .fatal(let reason):
        state?.isDead = true
        machine.seamExtend.seamReady = false
        lastDiagnostic = reason
        return
      }
    }
    registers = call.registers
  }
}

/// One SEAMCALL in execution.
struct Call {
  /// Operands in, results out.
  var registers: Registers
  /// The calling LP.
  let lp: Int
  /// RAX as it was on entry.
  let leaf: LeafAndVersion

  init(registers: Registers, lp: Int) {
    self.registers = registers
    self.lp = lp
    leaf = LeafAndVersion(rawValue: registers.rax)
  }
}

/// Why a leaf did not do what it was asked.
enum ModuleError: Error, Equatable {
  /// The leaf answers `status`; `reason` is for people.
  case refused(CompletionStatus, String)
  /// The module's data are corrupt: it stops for good.
  case fatal(String)
}
