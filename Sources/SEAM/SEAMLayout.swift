/// Where things lie in the SEAM range, as the P-SEAMLDR lays them out and the TDX module finds them (pseamldr.md 2.6, 2.7, 5).
///
/// The first page is the SYS_INFO table, whose lower half is the MCHECK table. One SEAM VMCS page follows for every
/// addressable LP, then the data region, which begins with the handoff data.
public enum SEAMLayout {
  /// Offset of the data region, and so of the handoff header, from the base of the SEAM range.
  public static func dataRegion(addressableLPs: Int) -> UInt64 {
    4096 + 4096 * UInt64(clamping: addressableLPs)
  }

  /// Size of the code region just below the P-SEAMLDR's range.
  public static let codeRegionSize: UInt64 = 2 << 20

  /// Fields of the SYS_INFO table, byte offsets from its start. The MCHECK half is 0…2047.
  public enum SysInfo {
    /// u64: version of the MCHECK table, 0.
    public static let version = 0
    /// u32: logical processors of the platform.
    public static let totalLPs = 8
    /// u32: sockets.
    public static let totalSockets = 12
    /// u32[8]: CPUID.1.EAX a socket.
    public static let socketCPUID = 16
    /// u64: base of the P-SEAMLDR's range.
    public static let loaderBase = 48
    /// u64: size of the P-SEAMLDR's range.
    public static let loaderSize = 56
    /// u8: nonzero = SMRR2 is not checked.
    public static let skipSMRR2Check = 64
    /// u8: 1 = access control only.
    public static let tdxAC = 65
    /// {u64 base, u64 size}[32].
    public static let cmrs = 128
    /// u64 base and u64 size of the code region.
    public static let code = 2056
    /// u64 base and u64 size of the data region.
    public static let data = 2072
    /// u64 base and u64 size of the stacks.
    public static let stack = 2088
    /// u64 base and u64 size of the keyholes.
    public static let keyhole = 2104
    /// u64 base and u64 size of the keyhole-edit area.
    public static let keyholeEdit = 2120
    /// u64: data-stack pages a LP, minus one.
    public static let stackPages = 2136
    /// u64: TLS pages a LP, minus one.
    public static let tlsPages = 2144
    /// u16, from the sigstruct, filled in after everything succeeded.
    public static let moduleHV = 2152
    /// u16, ditto.
    public static let minUpdateHV = 2154
    /// u8, ditto.
    public static let noDowngrade = 2156
    /// u16, ditto: handoff pages minus one.
    public static let numHandoffPages = 2158
  }

  /// The handoff header, the first 8 bytes of the data region (pseamldr.md 2.5).
  public enum HandoffHeader {
    /// Size of the header in bytes.
    public static let size = 8
    /// u8: nonzero = valid.
    public static let valid = 0
    /// u16: handoff version used.
    public static let version = 2
    /// u32: bytes after the header.
    public static let dataSize = 4
  }
}

extension Machine {
  /// Address of the SYS_INFO table.
  public var sysInfoBase: UInt64 { configuration.seamRangeBase }

  /// Address of the data region and of the handoff header at its start.
  public var dataRegionBase: UInt64 {
    configuration.seamRangeBase + SEAMLayout.dataRegion(addressableLPs: configuration.addressableLPs)
  }

  /// Address of the code region, at whose start the image lies.
  public var codeRegionBase: UInt64 { configuration.loaderRangeBase - SEAMLayout.codeRegionSize }
}
