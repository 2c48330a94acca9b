import ModuleImage
import SEAM

extension ManifestRule {
  /// The completion status with which INSTALL refuses an image that breaks the rule (pseamldr.md 3.4).
  public var status: CompletionStatus {
    switch self {
    case .reservedNotZero, .headerType, .headerLength, .headerVersion, .keySize, .exponentSize, .modulusSize,
      .moduleVendor,
      .moduleType, .attributes, .size, .cpuidTableSize, .exponent, .handoffRange, .gdtIDTAlignment,
      .faultWrapperPresence, .keyPin, .debugSigned, .svnLower, .gdtIDTOffset, .faultWrapperOffset, .cpuidTableMissing,
      .signature:
      .badSignature
    case .svnMajorZero, .svnMajorDiffers: .unsupported
    case .svnNeedsCleanup: .cleanupRequired
    case .unsupportedCPU: .unsupportedCPU
    case .handoffVersion: .badHandoff
    case .imageHash: .badHash
    case .relocation: .badParam
    }
  }

  /// Whether the rule is looked at while the old module is still whole.
  var isRecoverable: Bool {
    switch self {
    case .imageHash, .relocation: false
    case .reservedNotZero, .headerType, .headerLength, .headerVersion, .keySize, .exponentSize, .modulusSize,
      .moduleVendor,
      .moduleType, .attributes, .size, .cpuidTableSize, .exponent, .handoffRange, .gdtIDTAlignment,
      .faultWrapperPresence, .keyPin, .debugSigned, .svnMajorZero, .svnMajorDiffers, .svnLower, .svnNeedsCleanup,
      .gdtIDTOffset, .faultWrapperOffset, .unsupportedCPU, .cpuidTableMissing, .signature, .handoffVersion:
      true
    }
  }
}
