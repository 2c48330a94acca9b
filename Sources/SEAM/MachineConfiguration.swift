/// What was built into one emulated machine, and never changes while it lives.
public struct MachineConfiguration: Equatable, Sendable, Codable {
  /// The processor in every socket.
  public var cpu: CPUModel
  /// Number of logical processors, 1…1024; another value becomes the nearest of these.
  public var logicalProcessors: Int {
    didSet { logicalProcessors = Self.clamp(logicalProcessors) }
  }
  /// Size of the one convertible memory range, which begins at 0 and ends where the SEAM range begins, in GiB.
  public var memoryGiB: Int
  /// Entries that the SEAMDB can hold: `updates=` + 1.
  public var seamdbSize: Int
  /// MSR 0x503 bit 1: a debug-unlocked part, on which debug-signed modules load.
  public var systemUnderDebug: Bool

  /// A machine of `logicalProcessors` LPs with `memoryGiB` of memory.
  public init(
    cpu: CPUModel = .spr, logicalProcessors: Int = 4, memoryGiB: Int = 16, seamdbSize: Int = 16,
    systemUnderDebug: Bool = false
  ) {
    self.cpu = cpu
    self.logicalProcessors = Self.clamp(logicalProcessors)
    self.memoryGiB = memoryGiB
    self.seamdbSize = seamdbSize
    self.systemUnderDebug = systemUnderDebug
  }

  private static func clamp(_ logicalProcessors: Int) -> Int { min(max(1, logicalProcessors), 1024) }

  /// Number of packages (sockets): one for every 128 LPs, at least one.
  public var packages: Int { max(1, logicalProcessors / 128) }

  /// CPUID.1.EAX of every socket.
  public var socketSignatures: [UInt32] { [UInt32](repeating: cpu.signature, count: packages) }

  /// Most LPs that one package has; the last package may have fewer.
  private var largestPackage: Int { (logicalProcessors + packages - 1) / packages }

  /// Package of the LP with dense index `lp`: LPs are spread over the packages in blocks.
  public func package(of lp: Int) -> Int {
    min(packages - 1, max(0, lp) / largestPackage)
  }

  /// Number of LPs in `package`.
  public func logicalProcessors(in package: Int) -> Int {
    guard (0..<packages).contains(package) else { return 0 }
    let before = package * largestPackage
    return max(0, (package == packages - 1 ? logicalProcessors : before + largestPackage) - before)
  }

  /// x2APIC id of the LP with dense index `lp`: dense too.
  public func x2apicID(of lp: Int) -> UInt32 { UInt32(exactly: lp) ?? .max }

  /// LPs that can be addressed, of which there may be fewer: packages × (CPUID.4 sub-leaf 3 EAX[25:14] + 1, rounded up to a
  /// power of two). The SEAM range is laid out for so many (pseamldr.md 5).
  public var addressableLPs: Int {
    var perPackage = 1
    while perPackage < largestPackage { perPackage *= 2 }
    return packages * perPackage
  }

  /// Physical address width, MAXPA (CPUID 0x80000008).
  public static let maxPA: UInt64 = 52
  /// Number of key-id bits at the top of a physical address (IA32_TME_ACTIVATE).
  public static let keyIDBits: UInt64 = 11
  /// Number of MKTME key ids beside key id 0 (IA32_MKTME_KEYID_PARTITIONING, low half).
  public static let mktmeKeyIDs: UInt16 = 63
  /// First TDX-private KeyID.
  public static let firstPrivateKeyID: UInt16 = mktmeKeyIDs + 1
  /// First KeyID beyond the private range: private KeyIDs are [64, 2048).
  public static let endOfPrivateKeyIDs: UInt16 = 1 << 11

  /// Most memory, in GiB, above which the SEAM range still lies below the key-id bits.
  public static let maxMemoryGiB = (1 << Int(maxPA - keyIDBits - 30)) - 1

  /// Where the one convertible memory range ends and the SEAM range begins.
  public var seamRangeBase: UInt64 { UInt64(min(max(1, memoryGiB), Self.maxMemoryGiB)) << 30 }
  /// Size of the SEAM range (SEAMRR).
  public static let seamRangeSize: UInt64 = 128 << 20
  /// Size of the P-SEAMLDR's own range at the top of the SEAM range.
  public static let loaderRangeSize: UInt64 = 8 << 20
  /// Where the P-SEAMLDR's own range begins.
  public var loaderRangeBase: UInt64 { seamRangeBase + Self.seamRangeSize - Self.loaderRangeSize }

  /// Convertible memory ranges, base and size in bytes.
  public var convertibleMemoryRanges: [(base: UInt64, size: UInt64)] { [(0, seamRangeBase)] }
}
