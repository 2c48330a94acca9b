import ModuleImage
import SystemPackage

/// A TD as KVM and the monitor above it know it (`struct kvm_tdx`). A value: a copy is a snapshot.
///
/// Everything that is done to it is done by SEAMCALLs, in KVM's order (arch/x86/kvm/vmx/tdx.c); its methods take the
/// kernel and the door. While one runs, the TD is out of the kernel's list (``LinuxHost/withTD(_:_:)``).
public struct TrustDomain: Sendable, Codable {
  /// `enum kvm_tdx_state`, after KVM_TDX_INIT_VM.
  public enum State: Sendable, Codable {
    /// TDH.MNG.INIT was done: an open build.
    case initialized
    /// TDH.MR.FINALIZE was done.
    case runnable
    /// Made for a TD that is to come by migration: TDH.MNG.INIT is left out.
    case importing
    /// It came by migration: never an open build.
    case imported
  }

  /// Its name, which is the monitor's.
  public let name: String
  /// Tells it from every other TD of this boot.
  public let id: UInt64
  /// `kvm_tdx->hkid`; nil when it was given back.
  public internal(set) var keyID: UInt16?
  /// The TDR page; nil when it was reclaimed.
  public internal(set) var tdr: UInt64?
  /// The TDCS pages that TDH.MNG.ADDCX has taken.
  public internal(set) var tdcs: [UInt64] = []
  /// Pages of migration stream contexts.
  public internal(set) var migrationStreams: [UInt64] = []
  /// A migration that has begun.
  public internal(set) var migration: MigrationSession?
  /// The service TD has given it the peer's key.
  var hasMigrationKeys = false
  /// The service TD that is bound to it.
  public internal(set) var service: ServiceTDBinding?
  /// The vCPUs by their index.
  public internal(set) var vcpus: [VirtualCPU] = []
  /// The memory.
  public internal(set) var memory: MirrorEPT
  /// Pages of its memory that could not be reclaimed.
  var lostPages: [UInt64] = []
  /// What it was made of.
  public internal(set) var parameters: TDParameters
  /// How far it is built.
  public internal(set) var state = State.initialized
  /// `kvm->vm_bugged` or `kvm->vm_dead`, and why: every ioctl answers EIO.
  public internal(set) var bug: String?
  /// The module that the kernel believed to be running when it was made.
  public let madeUnder: ModuleVersion
  /// How the last vCPU left.
  public internal(set) var lastExit: VCPUExit?
  /// REPORTDATA for the next report, 64 bytes.
  public var reportData = [UInt8](repeating: 0, count: TDReport.reportDataSize)
  /// The firmware image that the monitor builds it from.
  public var image: TDImageBuild?
  /// What came of the monitor's last step, for people.
  public var lastResult = ""
  /// The guest page that was added last, for steps that name none.
  public internal(set) var lastPage: UInt64?

  init(
    name: String, id: UInt64, parameters: TDParameters, madeUnder: ModuleVersion, isForImport: Bool = false
  ) {
    self.name = name
    if isForImport { state = .importing }
    self.id = id
    self.parameters = parameters
    self.madeUnder = madeUnder
    memory = MirrorEPT(levels: parameters.eptLevels)
  }

  /// A migration operation was answered INTERRUPTED_RESUMABLE and not resumed.
  public var isMigrationInterrupted: Bool { migration?.interrupted != nil }

  /// Between TDH.MNG.INIT and TDH.MR.FINALIZE: an update would break its measurement.
  public var isOpenBuild: Bool { state == .initialized }

  /// Pages of the host that it has.
  public var hostPageCount: Int {
    (tdr == nil ? 0 : 1) + tdcs.count + migrationStreams.count + vcpus.reduce(0) { $0 + 1 + $1.tdcx.count }
      + memory.pages.count + memory.tableCount + lostPages.count
  }

  /// The TDR page.
  /// - Throws: EIO when it has none.
  func requireTDR() throws(TDError) -> UInt64 {
    guard let tdr else { throw TDError(.ioError, "TD \(name) has no TDR page any more") }
    return tdr
  }

  /// `kvm->vm_bugged`: ioctls answer EIO.
  func requireUsable() throws(TDError) {
    if let bug { throw TDError(.ioError, "TD \(name) is dead: \(bug)") }
  }
}
