import Basics

/// What can be said of an image, for `tdxfs image inspect`.
public struct ImageReport: Equatable, Sendable {
  /// The image itself.
  public let file: ModuleImageFile
  /// What its module is.
  public let program: ModuleProgram
  /// SHA-384 of the module's bytes.
  public let digest: [UInt8]
  /// Pin of the key in the sigstruct.
  public let pin: KeyPin
  /// Whose key that is, as far as it is known.
  public let signer: TrustedSigner?
  /// What became of the signature.
  public let signature: SignatureVerdict
  /// The release whose image this is, byte for byte.
  public let release: ModuleRelease?

  /// Looks at `file`; `trusted` are the keys that have a name.
  public init(_ file: ModuleImageFile, trusted: TrustedSigners = .standard) {
    self.file = file
    digest = ImageDigest.sha384(file.module)
    program = ModuleProgram.identify(sigstruct: file.sigstruct, image: file.module, hash: digest)
    pin = file.sigstruct.keyPin
    signer = trusted.signer(with: pin)
    signature = file.sigstruct.verifySignature()
    release = ReleaseTable.release(seamHash: digest)
  }

  /// Whether the pages are those that were signed.
  public var isHashRight: Bool { digest.elementsEqual(file.sigstruct.slice(SEAMSigstruct.seamHashRange)) }

  /// `2025-07-29` of DATE; the bare digits where they are no date.
  public var date: String {
    let digits = file.sigstruct[SEAMSigstruct.date].paddedHexadecimal
    return "\(digits.prefix(4))-\(digits.dropFirst(4).prefix(2))-\(digits.suffix(2))"
  }

  /// How the version was found, in words.
  public var versionOrigin: String {
    switch program.versionSource {
    case .releaseHash: "public release, known by its hash"
    case .sigstruct: "told by the signed description"
    case .constantBlock: "told by the module's constants"
    case .svnTable: "the public release with this SVN"
    case .unknown: "version not known; the line follows from the SVN"
    }
  }
}
