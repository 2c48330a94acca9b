/// The completion status codes of the P-SEAMLDR (pseamldr.md 3.1).
extension CompletionStatus {
  /// `EBADPARAM`: bad RCX or parameters, unknown leaf, UPDATE without a module, ELF relocation failure.
  public static let badParam = Self(rawValue: 0x8000_0000_0000_0000)
  /// `EMODBUSY`: returned by the NP-SEAMLDR only.
  public static let modBusy = Self(rawValue: 0x8000_0000_0000_0001)
  /// `ELDRINPROG`: returned by the NP-SEAMLDR only.
  public static let loaderInProgress = Self(rawValue: 0x8000_0000_0000_0002)
  /// `EBADCALL`: LP called twice in a session, wrong flow, shutdown started, no remaining updates.
  public static let badCall = Self(rawValue: 0x8000_0000_0000_0003)
  /// `EBADHANDOFF`: handoff header invalid, too big, or its version out of range.
  public static let badHandoff = Self(rawValue: 0x8000_0000_0000_0004)
  /// `ECLEANUPREQ`: LOAD that could be a downgrade, or SHUTDOWN, while keys or caches are dirty.
  public static let cleanupRequired = Self(rawValue: 0x8000_0000_0000_0005)
  /// `EUNSUPPORTED`: the major SVN differs on UPDATE, or is 0 (1.5 rules).
  public static let unsupported = Self(rawValue: 0x8000_0000_0000_0006)
  /// `EBADRANGE`: returned by the NP-SEAMLDR only.
  public static let badRange = Self(rawValue: 0x8000_0000_0001_0000)
  /// `EBADPLATF`: returned by the NP-SEAMLDR only.
  public static let badPlatform = Self(rawValue: 0x8000_0000_0001_0001)
  /// `ENOMEM`: the module does not fit into the SEAM range.
  public static let noMemory = Self(rawValue: 0x8000_0000_0001_0002)
  /// `EUNSPECERR`: x2APIC id ≥ 1024, no entropy for the canary, package or domain ≥ 8.
  public static let unspecifiedError = Self(rawValue: 0x8000_0000_0001_0003)
  /// `EUNSUPCPU`: a socket's family and model are not in the sigstruct's table.
  public static let unsupportedCPU = Self(rawValue: 0x8000_0000_0001_0004)
  /// `EBADSIG`: sigstruct malformed, wrong key, debug module, lower minor SVN, bad signature.
  public static let badSignature = Self(rawValue: 0x8000_0000_0002_0000)
  /// `EBADHASH`: SHA-384 of the pages is not SEAMHASH.
  public static let badHash = Self(rawValue: 0x8000_0000_0002_0001)
  /// `EINTERRUPT`: CLEANUP only, resumable.
  public static let interrupted = Self(rawValue: 0x8000_0000_0003_0000)
  /// `ENOENTROPY`: RDRAND for address randomisation, or the SEAMDB insertion, gave nothing.
  public static let noEntropy = Self(rawValue: 0x8000_0000_0003_0001)

  /// The names of the codes above, by value.
  static let loaderNames: [UInt64: String] = [
    badParam.rawValue: "EBADPARAM",
    modBusy.rawValue: "EMODBUSY",
    loaderInProgress.rawValue: "ELDRINPROG",
    badCall.rawValue: "EBADCALL",
    badHandoff.rawValue: "EBADHANDOFF",
    cleanupRequired.rawValue: "ECLEANUPREQ",
    unsupported.rawValue: "EUNSUPPORTED",
    badRange.rawValue: "EBADRANGE",
    badPlatform.rawValue: "EBADPLATF",
    noMemory.rawValue: "ENOMEM",
    unspecifiedError.rawValue: "EUNSPECERR",
    unsupportedCPU.rawValue: "EUNSUPCPU",
    badSignature.rawValue: "EBADSIG",
    badHash.rawValue: "EBADHASH",
    interrupted.rawValue: "EINTERRUPT",
    noEntropy.rawValue: "ENOENTROPY",
  ]
}
