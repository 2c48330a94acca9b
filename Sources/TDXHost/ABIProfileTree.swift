import Kernfs
import SystemPackage

/// An attribute file of the driver.
public struct HostFile: Equatable, Sendable {
  /// What the file shows.
  public enum Content: Equatable, Sendable {
    /// The module's version.
    case version(VersionFormat)
    /// The P-SEAMLDR's version.
    case seamldrVersion(VersionFormat)
    /// `%u`
    case numRemainingUpdates
    /// `%i`: 0 or 1, FEATURES0 bit 47 (v3 only).
    case compatCapable
  }

  /// Path below the profile's root.
  public var path: String
  /// Permission bits.
  public var mode: UInt16
  /// What it shows.
  public var content: Content

  /// A file at `path`.
  public init(_ path: String, mode: UInt16, _ content: Content) {
    self.path = path
    self.mode = mode
    self.content = content
  }

  /// Whether ``HostDevice/hasSEAMLDRFiles`` decides over the file.
  public var isSEAMLDRFile: Bool {
    switch content {
    case .seamldrVersion, .numRemainingUpdates: true
    case .version, .compatCapable: false
    }
  }

  /// The attribute that shows the file's content as `view` has it.
  public func attribute(_ view: some HostView) -> any TextAttribute {
    switch content {
    case .version(let format): VersionAttribute(view: view, mode: mode, format: format)
    case .seamldrVersion(let format): SEAMLDRVersionAttribute(view: view, mode: mode, format: format)
    case .numRemainingUpdates: NumRemainingUpdatesAttribute(view: view, mode: mode)
    case .compatCapable: CompatCapableAttribute(view: view, mode: mode)
    }
  }
}

/// How a version is printed.
public enum VersionFormat: Sendable {
  /// `%u.%u.%u`
  case unpadded
  /// `%u.%u.%02u`
  case padded
}

/// What the driver core makes around the device.
public enum DeviceAttachment: Equatable, Sendable {
  /// The root is a faux device with its driver, of the module `tdx_host`.
  case faux
  /// The root is the root device of this bus (`subsys_virtual_register`), and the device is on the bus without a driver.
  /// Built in: no module.
  case virtualBus(String)
}

/// What a failed INFO call makes of a read.
public enum SEAMLDRReadError: Equatable, Sendable {
  /// The errno of the call.
  case ofTheCall
  /// This errno, whatever happened.
  case always(Errno)
  /// INFO is called when the device is made and after each successful update; reads show what it said and never fail.
  case cached

  func errno(of call: Errno) -> Errno {
    switch self {
    case .ofTheCall, .cached: call
    case .always(let errno): errno
    }
  }
}

/// What decides which parts of the device are made (kernel-abi.md 3.1, row "visibility" of 3.4).
public struct VisibilityRule: Equatable, Sendable {
  /// Something that may be true of a machine.
  public enum Requirement: Equatable, Sendable {
    /// TDX_FEATURES0 bit 1.
    case tdPreserving
    /// The CPU is without `X86_BUG_SEAMRET_INVD_VMCS`.
    case noSEAMRETErratum
    /// INFO succeeds.
    case loaderInfo
    /// INFO succeeds and says that updates remain.
    case remainingUpdates
  }

  /// A requirement, and the line that the kernel prints where it is not met.
  public struct Condition: Equatable, Sendable {
    /// What has to be true.
    public var requirement: Requirement
    /// The line with its prefix, `%d` standing for the negative errno; nil for none.
    public var line: String?
    /// Its level.
    public var level: KernelLog.Level

    /// `requirement`, else `line`.
    public init(_ requirement: Requirement, line: String? = nil, level: KernelLog.Level = .info) {
      self.requirement = requirement
      self.line = line
      self.level = level
    }

    /// TDX_FEATURES0 bit 1, silently.
    public static let tdPreserving = Condition(.tdPreserving)
    /// TDX_FEATURES0 bit 1, else a line. `tdx-host.c` has no prefix.
    public static let tdPreservingElseRemark = Condition(
      .tdPreserving, line: "Current TDX Module cannot be updated. Consider BIOS updates")
    /// No `X86_BUG_SEAMRET_INVD_VMCS`, silently.
    public static let noSEAMRETErratum = Condition(.noSEAMRETErratum)
    /// INFO succeeds, silently but for the SEAMCALL's own line.
    public static let loaderInfo = Condition(.loaderInfo)
  }

  /// For the device at all.
  public var device: [Condition]
  /// For the files that ask the P-SEAMLDR.
  public var seamldrFiles: [Condition]
  /// For the upload.
  public var upload: [Condition]
  /// For nothing but their lines.
  public var remarks: [Condition]

  /// Parts that need these.
  public init(
    device: [Condition] = [], seamldrFiles: [Condition] = [], upload: [Condition] = [], remarks: [Condition] = []
  ) {
    self.device = device
    self.seamldrFiles = seamldrFiles
    self.upload = upload
    self.remarks = remarks
  }
}

/// What the driver's cancel op does.
public enum CancelRule: Sendable {
  /// Nothing: a running update is never cancelled.
  case empty
  /// Sets a flag that prepare clears and write honours (v3).
  case flagHonouredByWrite
  /// Sets a flag that the next prepare or write consumes (v1, v2).
  case flagConsumedByNext
}
