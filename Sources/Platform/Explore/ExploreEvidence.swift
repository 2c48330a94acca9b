import ModuleImage
import SEAM
import SystemPackage
import TDXModule

/// What was seen of one update, for the judge.
struct ExploreEvidence: Equatable, Sendable {
  /// What is true of a machine before or after.
  struct Facts: Equatable, Sendable {
    /// `version`.
    var version: Result<ModuleVersion, Errno>
    /// `num_remaining_updates`, as the P-SEAMLDR knows it.
    var remaining: UInt32
    /// Loads that the CPU has recorded.
    var loads: Int
    /// SEAM_READY.
    var isReady: Bool
    /// SYS_STATE of the module in SEAM memory.
    var sysState: SysState
    /// The version of the module in SEAM memory.
    var resident: ModuleVersion?
    /// The online CPUs.
    var online: [Int]
    /// What an update must not touch of the module when nothing happened: KeyIDs, TDMRs, counters of TDs.
    var keepsakes: [String]
    /// The TDs that live, by whatever names.
    var tds: [String]
  }

  /// A SEAMCALL.
  struct Call: Equatable, Sendable {
    var leaf: Leaf
    var lp: Int
    /// RAX as the kernel sees it.
    var status: UInt64

    var isSuccess: Bool { status == 0 }
  }

  /// What readers saw after a step of a running update.
  struct Glimpse: Equatable, Sendable {
    var version: Result<ModuleVersion, Errno>
    var remaining: Result<UInt32, Errno>
  }

  /// All SEAMCALLs while the update ran, in order.
  var calls: [Call] = []
  /// What readers saw while it ran.
  var glimpses: [Glimpse] = []
  var before: Facts
  var after: Facts
  /// What `error` shows; nil for success.
  var error: String?
  /// `lost=` of `why`.
  var lost: Why.Loss
  /// The version that was to be installed.
  var target: ModuleVersion
  /// The power was lost in the middle.
  var isRebooted: Bool
  /// The kernel repeats calls of the P-SEAMLDR that found no entropy.
  var retriesLoader = false
}

extension EmulatedMachine {
  /// The facts of the machine now.
  func facts(tds: (EmulatedMachine) -> [String]) -> ExploreEvidence.Facts {
    let tds = tds(self)
    return lock.withLock {
      let module = silicon.module
      return ExploreEvidence.Facts(
        version: Result { () throws(Errno) in try host.version() },
        remaining: silicon.loader.remainingUpdates, loads: silicon.machine.seamdb.count,
        isReady: silicon.machine.seamExtend.seamReady, sysState: module.sysState(in: silicon.machine),
        resident: silicon.machine.residentProgram?.version, online: host.onlineCPUs,
        keepsakes: [
          "global KeyID \(module.globalKeyID.map(String.init) ?? "-")",
          "TDMRs \(module.tdmrs.map { "\($0.base)+\($0.size):\($0.nextToInitialize)" }.joined(separator: " "))",
          "TD builds \(module.tdBuildCount)", "interrupted migrations \(module.migInterruptedCount)",
        ], tds: tds)
    }
  }
}
