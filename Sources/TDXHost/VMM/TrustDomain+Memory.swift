import SEAM
import SystemPackage

/// The memory of a TD (KVM_TDX_INIT_MEM_REGION, and the S-EPT hooks of KVM's MMU).
extension TrustDomain {
  /// Bytes that one TDH.MR.EXTEND measures (`TDX_EXTENDMR_CHUNKSIZE`).
  public static let chunkSize: UInt64 = 256

  /// Adds `count` pages from `gpa` on with the bytes `content`, and measures each if `isMeasured`
  /// (`tdx_gmem_post_populate`): TDH.MEM.SEPT.ADD for the tables that are missing, TDH.MEM.PAGE.ADD, 16 × TDH.MR.EXTEND.
  /// - Throws: EINVAL for addresses, pages that are there already, and what the module refuses; ENOMEM, EBUSY, EIO. What
  ///   was added before stays.
  public mutating func addPages(
    at gpa: UInt64, count: Int = 1, content: PageContent, isMeasured: Bool, host: inout LinuxHost,
    door: some SEAMCALLDoor
  ) throws(TDError) {
    try requireUsable()
    let tdr = try requireTDR()
    try checkRange(gpa, count: count, host: host)
    guard let source = host.pages.allocate() else { throw TDError(.noMemory, "the host has no page for the source") }
    defer { host.pages.free([source]) }
    var written: PageContent.Shape?
    for index in 0..<count {
      let address = gpa + UInt64(index) * 4096
      let shape = content.shape(of: index)
      if written != shape {
        door.writePhysical(content.bytes(of: index), at: source)
        written = shape
      }
      try addPage(address, from: source, tdr: tdr, host: &host, door: door)
      if isMeasured { try extend(address, chunks: 16, tdr: tdr, host: &host, door: door) }
    }
  }

  /// TDH.MEM.PAGE.ADD of one page, whose bytes lie at `source`.
  private mutating func addPage(
    _ gpa: UInt64, from source: UInt64, tdr: UInt64, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) {
    try addTables(for: gpa, tdr: tdr, account: .monitor, host: &host, door: door)
    guard let page = host.pages.allocate() else { throw TDError(.noMemory, "the host has no page for the guest") }
    do throws(TDError) {
      try mayFail(
        Registers(rax: UInt64(ModuleLeaf.memPageAdd.rawValue), rcx: gpa, rdx: tdr, r8: page, r9: source),
        in: "tdx_gmem_post_populate", host: &host, door: door)
    } catch {
      host.pages.free([page])
      throw error
    }
    memory.map(gpa, to: page)
    lastPage = gpa
  }

  /// Measures `chunks` pieces of 256 bytes from `gpa` on.
  /// - Throws: EINVAL for addresses and for what the module refuses; EBUSY, EIO.
  public mutating func extend(
    from gpa: UInt64, chunks: Int = 16, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) {
    try requireUsable()
    guard gpa.isMultiple(of: Self.chunkSize) else {
      throw TDError(.invalidArgument, "\(gpa.hex) is no multiple of 256")
    }
    guard chunks > 0, chunks <= memory.pages.count * 16 else {
      throw TDError(.invalidArgument, "\(chunks) chunks can't be measured: TD \(name) has \(memory.pages.count) pages")
    }
    try extend(gpa, chunks: chunks, tdr: try requireTDR(), host: &host, door: door)
  }

  private mutating func extend(
    _ gpa: UInt64, chunks: Int, tdr: UInt64, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) {
    var call = Registers(rax: UInt64(ModuleLeaf.mrExtend.rawValue), rcx: gpa, rdx: tdr)
    for _ in 0..<chunks {
      try mayFail(call, in: "tdx_gmem_post_populate", host: &host, door: door)
      call.rcx &+= Self.chunkSize
    }
  }

  /// KVM_TDX_FINALIZE_VM (`tdx_td_finalize`): TDH.MR.FINALIZE. A TD that is MIGRATABLE and has no service TD yet is bound to
  /// the monitor's migration TD before, because afterwards it can't be any more.
  /// - Throws: EINVAL when it was done already and for what the module refuses, NO_VCPUS above all; EBUSY, EIO.
  public mutating func finalize(host: inout LinuxHost, door: some SEAMCALLDoor & GuestDoor) throws(TDError) {
    try requireUsable()
    guard state == .initialized else { throw TDError(.invalidArgument, "TD \(name) is finalized already") }
    if parameters.attributes.contains(.migratable), service == nil, !vcpus.isEmpty {
      try bind(.monitors, host: &host, door: door)
    }
    try mayFail(
      Registers(rax: UInt64(ModuleLeaf.mrFinalize.rawValue), rcx: try requireTDR()), in: "tdx_td_finalize",
      host: &host, door: door)
    state = .runnable
  }

  /// Adds `count` pages from `gpa` on while the guest may run (`tdx_sept_set_private_spte`): missing tables,
  /// TDH.MEM.PAGE.AUG. The guest has to accept them.
  /// - Throws: EINVAL for addresses, pages that are there already, and what the module refuses; ENOMEM, EBUSY, EIO.
  public mutating func augment(
    at gpa: UInt64, count: Int = 1, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) {
    try requireUsable()
    try checkRange(gpa, count: count, host: host)
    for index in 0..<count { try augment(gpa + UInt64(index) * 4096, for: .monitor, host: &host, door: door) }
  }

  /// One page of ``augment(at:count:host:door:)``, or of a fault that KVM serves.
  mutating func augment(
    _ gpa: UInt64, for account: TDCallAccount, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) {
    let tdr = try requireTDR()
    try addTables(for: gpa, tdr: tdr, account: account, host: &host, door: door)
    guard let page = host.pages.allocate() else { throw TDError(.noMemory, "the host has no page for the guest") }
    let call = Registers(rax: UInt64(ModuleLeaf.memPageAug.rawValue), rcx: gpa, rdx: tdr, r8: page)
    do throws(TDError) {
      try self.call(call, for: account, in: "tdx_mem_page_aug", host: &host, door: door)
    } catch {
      host.pages.free([page])
      throw error
    }
    memory.map(gpa, to: page)
  }

  /// `tdx_sept_link_private_spt`: TDH.MEM.SEPT.ADD from the root down, for the tables that the way to `gpa` lacks.
  mutating func addTables(
    for gpa: UInt64, tdr: UInt64, account: TDCallAccount, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) {
    while let level = memory.missingLevel(for: gpa) {
      guard let page = host.pages.allocate() else {
        throw TDError(.noMemory, "the host has no page for a secure EPT table")
      }
      let operand = MirrorEPT.operand(gpa, level: level)
      do throws(TDError) {
        try call(
          Registers(rax: UInt64(ModuleLeaf.memSEPTAdd.rawValue), rcx: operand, rdx: tdr, r8: page), for: account,
          in: "tdx_sept_link_private_spt", host: &host, door: door)
      } catch {
        host.pages.free([page])
        throw error
      }
      memory.addTable(page, operand: operand)
    }
  }

  /// Whether `count` new pages can begin at `gpa`: aligned, private, not there yet, and no more than the host has.
  private func checkRange(_ gpa: UInt64, count: Int, host: LinuxHost) throws(TDError) {
    guard gpa.isMultiple(of: 4096) else { throw TDError(.invalidArgument, "\(gpa.hex) is no page address") }
    guard count > 0 else { throw TDError(.invalidArgument, "no page was asked for") }
    guard count <= host.pages.freePages else {
      throw TDError(.noMemory, "\(count) pages were asked for, and the host has \(host.pages.freePages) free")
    }
    let (end, overflow) = gpa.addingReportingOverflow(UInt64(count) * 4096)
    // The topmost bit of the guest's addresses is the shared bit.
    let limit = parameters.sharedBit
    guard !overflow, end <= limit else {
      throw TDError(.invalidArgument, "private guest addresses end at \(limit.hex)")
    }
    if let taken = (0..<count).first(where: { memory.pages[gpa + UInt64($0) * 4096] != nil }) {
      throw TDError(.invalidArgument, "the guest has a page at \((gpa + UInt64(taken) * 4096).hex) already")
    }
  }
}

/// What is in pages that are added to a TD.
public enum PageContent: Equatable, Sendable {
  /// Byte i is i mod 256.
  case counting
  /// All bytes are this one.
  case filled(UInt8)
  /// These bytes, page by page; what is missing is zero.
  case bytes([UInt8])

  /// What tells the contents of two pages apart without looking at them.
  enum Shape: Equatable {
    case same
    case zeros
    case page(Int)
  }

  func shape(of index: Int) -> Shape {
    switch self {
    case .counting, .filled: return .same
    case .bytes(let bytes): return index < (bytes.count + 4095) / 4096 ? .page(index) : .zeros
    }
  }

  /// The 4096 bytes of page `index`, or fewer when the rest is zero and the page is the last.
  func bytes(of index: Int) -> [UInt8] {
    switch self {
    case .counting: return (0..<4096).map { UInt8(truncatingIfNeeded: $0) }
    case .filled(let byte): return [UInt8](repeating: byte, count: 4096)
    case .bytes(let bytes):
      var page = Array(bytes.dropFirst(index * 4096).prefix(4096))
      page.append(contentsOf: repeatElement(0, count: 4096 - page.count))
      return page
    }
  }
}

extension TDParameters {
  /// The bit of a guest physical address that says "shared"; private addresses end there.
  public var sharedBit: UInt64 { 1 << (hasWideGPA ? 51 : 47) }
}

extension UInt64 {
  /// `0x…`, as people write addresses.
  var hex: String { "0x" + String(self, radix: 16) }
}
