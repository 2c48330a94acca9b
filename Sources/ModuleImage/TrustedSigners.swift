import Basics

/// A key whose images a loader takes.
public struct TrustedSigner: Hashable, Sendable {
  /// Name for people: "Intel", "tdxfs development key", or the path of a PEM file.
  public let name: String
  /// The key's pin.
  public let pin: KeyPin

  /// The key with `pin`, called `name`.
  public init(name: String, pin: KeyPin) {
    self.name = name
    self.pin = pin
  }

  /// Intel's production key.
  public static let intel = TrustedSigner(name: "Intel", pin: .intel)
  /// The key that ships with tdxfs.
  public static let dev = TrustedSigner(name: DevKey.name, pin: DevKey.pin)
}

/// The keys whose images a loader takes. A real loader has one; tdxfs takes a list (`keys=`).
public struct TrustedSigners: Equatable, Sendable {
  /// In the order in which they were given.
  public let signers: [TrustedSigner]

  /// Trusts `signers`.
  public init(_ signers: [TrustedSigner]) {
    self.signers = signers
  }

  /// `intel:dev`, the default of `keys=`.
  public static let standard = TrustedSigners([.intel, .dev])

  /// The trusted signer that has `pin`, or nil.
  public func signer(with pin: KeyPin) -> TrustedSigner? {
    signers.first { $0.pin == pin }
  }

  /// Reads the value of `keys=`: words separated by `:`, each `intel`, `dev` or the path of a PEM file with an RSA
  /// public key.
  ///
  /// A path is what has a `/` or ends in `.pem`. `readFile` gives the text of a path; what it throws is told.
  public init(list: String, readFile: (String) throws -> String) throws(TrustedSignersError) {
    var signers: [TrustedSigner] = []
    for word in list.split(separator: ":", omittingEmptySubsequences: false).map(String.init) {
      switch word {
      case "": throw .emptyName(list: list)
      case "intel": signers.append(.intel)
      case "dev": signers.append(.dev)
      case _ where word.contains("/") || word.hasSuffix(".pem"):
        let text: String
        do { text = try readFile(word) } catch { throw .unreadable(path: word, reason: "\(error)") }
        do {
          signers.append(TrustedSigner(name: word, pin: try PublicKeyFile.pin(pem: text)))
        } catch {
          throw .unusableKey(path: word, error)
        }
      default: throw .unknownName(word)
      }
    }
    self.init(signers)
  }
}

/// Why a list of trusted signers could not be read.
public enum TrustedSignersError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Nothing stands before, between or after the colons.
  case emptyName(list: String)
  /// Neither `intel` nor `dev` nor a path.
  case unknownName(String)
  /// The PEM file could not be read.
  case unreadable(path: String, reason: String)
  /// The PEM file holds no key that can sign images.
  case unusableKey(path: String, PublicKeyFileError)

  /// One sentence for people: what happened, to what, and what to do.
  public var description: String {
    switch self {
    case .emptyName(let list):
      "the list of keys \"\(list)\" has an empty entry; write it like intel:dev:/path/key.pem"
    case .unknownName(let name):
      "\"\(name)\" is no key: give intel, dev, or the path of a PEM file (with a / in it)"
    case .unreadable(let path, let reason):
      "the key file \(path) could not be read: \(reason)"
    case .unusableKey(let path, let error):
      "the key file \(path) \(error)"
    }
  }
}
