import SEAM

/// What the emulated kernel finds when it boots: the ACPI and E820 tables, CPUID and the MSRs that it reads.
public struct HostConfiguration: Equatable, Sendable, Codable {
  /// Package of each present CPU; the CPU number is the dense index of the LP.
  public var packages: [Int]
  /// Usable RAM (`for_each_mem_pfn_range`), ascending, page-aligned.
  public var memory: [Range<UInt64>]
  /// TDX-private KeyIDs (`IA32_MKTME_KEYID_PARTITIONING`). The first is the global KeyID.
  public var privateKeyIDs: Range<UInt32>
  /// `X86_BUG_SEAMRET_INVD_VMCS`: IA32_VMX_BASIC bit 60 is 0, so updates are hidden.
  public var hasSEAMRETErratum: Bool

  /// A machine with these properties.
  public init(
    packages: [Int], memory: [Range<UInt64>], privateKeyIDs: Range<UInt32> = 64..<2048, hasSEAMRETErratum: Bool = false
  ) {
    self.packages = packages
    self.memory = memory
    self.privateKeyIDs = privateKeyIDs
    self.hasSEAMRETErratum = hasSEAMRETErratum
  }

  /// What the kernel finds on `machine`.
  public init(machine: MachineConfiguration, hasSEAMRETErratum: Bool = false) {
    self.init(
      packages: (0..<max(1, machine.logicalProcessors)).map { machine.package(of: $0) },
      memory: [0..<machine.seamRangeBase],
      privateKeyIDs: UInt32(
        MachineConfiguration.firstPrivateKeyID)..<UInt32(MachineConfiguration.endOfPrivateKeyIDs),
      hasSEAMRETErratum: hasSEAMRETErratum)
  }

  /// Number of present CPUs, which is also the number of possible ones.
  public var presentCPUs: Int { packages.count }
}
