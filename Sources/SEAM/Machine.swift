import Basics
import ModuleImage

/// The hardware that the P-SEAMLDR and the TDX module run on. A value: a copy
/// is a snapshot.
public struct Machine: Sendable, Codable {
  /// What was built in.
  public let configuration: MachineConfiguration
  /// Physical memory, SEAM range included.
  public var memory: PhysicalMemory
  /// The platform-scope register SEAMEXTEND.
  public var seamExtend = SEAMEXTEND()
  /// The CPU's table of module loads.
  public var seamdb: SEAMDB
  /// RDRAND.
  public var entropy: Entropy
  /// The key of every report's MAC, which never leaves the CPU.
  public let reportKey: ReportKey
  /// The program in the code region of the SEAM range. No x86 code is executed here, so what that code
  /// "knows" (its version, constants, features) is kept beside the bytes from which the P-SEAMLDR read it
  /// when it copied them there.
  public var residentProgram: ModuleProgram?
  /// Counts the images that the P-SEAMLDR has put into the SEAM range. A TDX module that finds another number than
  /// at its last entry is a freshly loaded one: its data region was zeroed, all its state is initial.
  public var imageGeneration: UInt64 = 0
  /// The software of each vCPU, by the address of its TDVPR page: what TDH.VP.ENTER runs.
  public var guests: [UInt64: GuestProgram] = [:]
  /// LPs at which an external interrupt is pending, see ``InterruptDoor``.
  public var pendingInterrupts: Set<Int> = []

  /// A machine as MCHECK and the NP-SEAMLDR leave it: the P-SEAMLDR is ready, there is no module. Every power-on has a seed of
  /// its own.
  public init(configuration: MachineConfiguration, seed: UInt64) {
    self.configuration = configuration
    reportKey = ReportKey(seed: seed)
    let base = configuration.seamRangeBase
    memory = PhysicalMemory(seamRange: base..<(base + MachineConfiguration.seamRangeSize))
    seamdb = SEAMDB(size: configuration.seamdbSize)
    entropy = Entropy(seed: seed)
    seamExtend.pSEAMLDRReady = true
    seamExtend.systemUnderDebug = configuration.systemUnderDebug
  }

  /// Whether any byte of the `size` bytes at `address` (without key-id bits) lies in the SEAM range.
  public func overlapsSEAMRange(_ address: UInt64, size: UInt64) -> Bool {
    let base = configuration.seamRangeBase
    let (end, overflow) = address.addingReportingOverflow(size)
    return overflow || (address < base + MachineConfiguration.seamRangeSize && end > base)
  }

  /// Whether the operand `hpa` is an address that a firmware accepts for a host buffer of `size` bytes: aligned, below
  /// MAXPA, under a KeyID that is not private, and outside the SEAM range (pseamldr.md 1.5, "shared HPA" of
  /// tdx-module.md 1.0).
  public func isSharedAddress(_ hpa: UInt64, size: UInt64, alignment: UInt64) -> Bool {
    let address = PhysicalAddress(rawValue: hpa)
    return address.isAligned(to: alignment) && !address.exceedsMaxPA
      && address.keyID < MachineConfiguration.firstPrivateKeyID
      && !overlapsSEAMRange(address.withoutKeyID, size: size)
  }
}
