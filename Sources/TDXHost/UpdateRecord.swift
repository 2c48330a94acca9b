import ModuleImage
import SEAM
import SystemPackage

/// How one update ended: the errno, which is all that the kernel keeps, and beside it everything that it forgets.
public struct UpdateRecord: Equatable, Sendable, Codable {
  /// Where an update ended.
  public enum Stage: Equatable, Sendable, Codable {
    /// Before any CPU was stopped: nothing was touched.
    case preflight(PreflightCheck)
    /// In a lock-step state.
    case lockStep(UpdateState)
    /// In what follows stop_machine: reading the version again.
    case refresh
    /// Success.
    case done

    /// One word for `why`.
    public var name: String {
      switch self {
      case .preflight: "preflight"
      case .lockStep(let state): state.rawValue
      case .refresh: "refresh"
      case .done: "done"
      }
    }
  }

  /// What the installer returns; nil is 0.
  public var errno: Errno?
  /// Where it ended; of several failures, where the first happened.
  public var stage: Stage
  /// For people: why the image was refused. Only of ``Stage/preflight(_:)``.
  public var refusal: String?
  /// The SEAMCALLs that failed, in order, one a CPU at most in each state. A success can have some too: of a failed read
  /// of a field the kernel only warns.
  public var failures: [SEAMCALLFailure] = []
  /// The SEAMCALL that ended the update; nil for success and for a refused image.
  public var cause: SEAMCALLFailure?
  /// The module was usable before; false after an earlier update had lost TDX.
  public var wasInitialized: Bool
  /// TDH.SYS.SHUTDOWN had succeeded: an update that failed after it has lost TDX.
  public var isShutDown = false
  /// The first INSTALL was made: the module that ran before is out of reach until the last one succeeds or fails
  /// recoverably.
  public var hasInstallBegun = false
  /// A TDH.SYS.UPDATE that failed without the kernel noticing: the update counts as a success, and the module is not
  /// ready.
  public var overlooked: SEAMCALLFailure?
  /// CPUs that took part.
  public var onlineCPUs: Int
  /// Present CPUs that did not, because they were offline.
  public var offlineCPUs: [Int]
  /// The operand of TDH.SYS.SHUTDOWN; nil when it was not reached.
  public var shutdownOperand: UInt64?
  /// The version that the kernel knew before.
  public var oldVersion: ModuleVersion
  /// The version that was read after success.
  public var newVersion: ModuleVersion?

  /// This update has lost TDX, until reboot: SHUTDOWN had succeeded, the rest has not. Where only what follows
  /// stop_machine failed, the new module works.
  public var isTDXLost: Bool { errno != nil && isShutDown && stage != .refresh }
  /// The CPU whose SEAMCALL ended the update.
  public var lp: Int? { cause?.lp }
}
