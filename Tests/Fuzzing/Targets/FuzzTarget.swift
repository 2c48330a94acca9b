/// What a fuzzer drives: one entry of tdxfs each, with the input as what comes in from outside.
///
/// A run traps, is stopped by a sanitizer, takes too long, or throws a ``Finding``; anything else is right. Runs are
/// independent of each other and of time.
public enum FuzzTarget: String, CaseIterable, Sendable {
  /// Headers of images, sigstructs, and everything that reads or converts an image file.
  case headers
  /// Whole images through the upload interface, the kernel and the P-SEAMLDR.
  case images
  /// SEAMCALLs with any registers on any LP, beside any writes to host memory.
  case seamcalls
  /// Files of `.tdxfs/`.
  case control
  /// Fault plans, and updates under them.
  case faults
  /// State files and snapshots.
  case state
  /// Mapping files and other JSON, recordings among it.
  case mapping
  /// Requests of the kernel's FUSE client on the whole tree.
  case files

  /// One run.
  public func run(_ input: [UInt8]) throws {
    switch self {
    case .headers: try HeadersTarget.run(input)
    case .images: try ImagesTarget.run(input)
    case .seamcalls: try SEAMCALLTarget.run(input)
    case .control: try ControlTarget.run(input)
    case .faults: try FaultsTarget.run(input)
    case .state: try StateTarget.run(input)
    case .mapping: try MappingTarget.run(input)
    case .files: try FilesTarget.run(input)
    }
  }
}

/// Something that must never be and was.
public struct Finding: Error, CustomStringConvertible {
  /// What.
  public let description: String

  /// Throws a finding unless `condition` holds.
  static func unless(_ condition: Bool, _ what: @autoclosure () -> String) throws {
    if !condition { throw Finding(description: what()) }
  }
}
