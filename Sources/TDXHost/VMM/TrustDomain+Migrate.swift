import Basics
import SEAM
import SystemPackage

/// Moving a TD into another one of the same host: what two hosts would do with a network in between.
extension LinuxHost {
  /// Pages of memory that one TDH.EXPORT.MEM moves at most.
  private static let pagesPerList = 512

  /// Moves the TD `source` into `destination`, which was made for it (``TrustDomain/State/importing``): its state, its
  /// vCPUs, its memory. Afterwards `destination` runs, and all that is left of `source` is to be torn down.
  /// - Throws: EINVAL for what the module refuses, after which the destination is of no use; ENOMEM, EBUSY, EIO.
  public mutating func migrateTD(
    _ source: String, to destination: String, door: some SEAMCALLDoor & GuestDoor & InterruptDoor
  ) throws(TDError) {
    guard source != destination, tds.byName[destination] != nil else {
      throw TDError(.invalidArgument, "there is no other TD \(destination)")
    }
    try withTD(destination) { (destination, host) throws(TDError) in
      try host.withTD(source) { (source, host) throws(TDError) in
        try source.move(to: &destination, host: &host, door: door)
      }
    }
  }

  fileprivate static var listSize: Int { pagesPerList }
}

extension TrustDomain {
  fileprivate mutating func move(
    to other: inout TrustDomain, host: inout LinuxHost, door: some SEAMCALLDoor & GuestDoor & InterruptDoor
  ) throws(TDError) {
    try requireUsable()
    guard other.state == .importing else {
      throw TDError(.invalidArgument, "TD \(other.name) was not made for an import (init import)")
    }
    guard migration == nil else {
      throw TDError(.invalidArgument, "an export of TD \(name) has begun already: export-abort first")
    }
    // Sessions, streams and keys of both sides.
    try addMigrationStreams(host: &host, door: door)
    try other.addMigrationStreams(host: &host, door: door)
    if other.service == nil { try other.bind(service?.service ?? .monitors, host: &host, door: door) }
    try exchangeKeys(with: other.service, host: &host, door: door)
    try other.exchangeKeys(with: service, host: &host, door: door)
    try beginMigration(host: &host, door: door)
    defer { endMigration(host: &host) }
    guard let session = migration else { return }
    // The state.
    other.parameters = parameters
    other.memory = MirrorEPT(levels: parameters.eptLevels)
    try moveState(.exportStateImmutable, nil, to: &other, .importStateImmutable, nil, session, host: &host, door: door)
    try pauseExport(host: &host, door: door)
    try moveState(.exportStateTD, nil, to: &other, .importStateTD, nil, session, host: &host, door: door)
    for vcpu in vcpus {
      let index = try other.createVCPU(on: host.anyCPU, host: &host, door: door)
      try moveState(
        .exportStateVP, vcpu.tdvpr, to: &other, .importStateVP, other.vcpus[index].tdvpr, session, host: &host,
        door: door)
      other.vcpus[index].isInitialized = true
      other.vcpus[index].cpu = host.anyCPU
      vcpus[vcpu.index].cpu = vcpus[vcpu.index].cpu ?? host.anyCPU
    }
    try moveMemory(to: &other, session, host: &host, door: door)
    // The start token: from here on it can run at the other side only.
    var track = Registers(rax: UInt64(ModuleLeaf.exportTrack.rawValue), rcx: try requireTDR())
    track.r8 = MBMDOperand(address: session.mbmd).rawValue
    track.r10 = MigrationStreamOperand(command: true).rawValue
    try mayFail(track, in: "tdx_export_track", host: &host, door: door)
    track.rax = UInt64(ModuleLeaf.importTrack.rawValue)
    track.rcx = try other.requireTDR()
    track.r10 = 0
    try other.mayFail(track, in: "tdx_import_track", host: &host, door: door)
    try other.mayFail(
      Registers(rax: UInt64(ModuleLeaf.importEnd.rawValue), rcx: try other.requireTDR()), in: "tdx_import_end",
      host: &host, door: door)
    other.state = .imported
    bug = "it was moved to TD \(other.name)"
  }

  /// One kind of state out of here and into the other side; of the TD, or of vCPUs.
  private mutating func moveState(
    _ export: ModuleLeaf, _ from: UInt64?, to other: inout TrustDomain, _ importing: ModuleLeaf,
    _ into: UInt64?, _ session: MigrationSession, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) {
    let source = try requireTDR()
    let target = try other.requireTDR()
    let out = session.stateCall(export, from ?? source)
    let pages = try mayFail(out, in: "tdx_export_state", on: exportCPU(from, host), host: &host, door: door).rdx
    let back = session.stateCall(
      importing, into ?? target, pages: Int(clamping: min(pages, UInt64(MigrationSession.statePages))))
    try other.mayFail(back, in: "tdx_import_state", host: &host, door: door)
  }

  /// A vCPU's state comes from the CPU that has it.
  private func exportCPU(_ tdvpr: UInt64?, _ host: LinuxHost) -> Int? {
    tdvpr.flatMap { page in vcpus.first { $0.tdvpr == page }?.cpu }
  }

  private mutating func moveMemory(
    to other: inout TrustDomain, _ session: MigrationSession, host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) {
    let addresses = memory.pages.keys.sorted()
    guard let lists = host.pages.allocate(5), let buffers = host.pages.allocate(min(512, max(1, addresses.count)))
    else { throw TDError(.noMemory, "the host has no pages for a migration") }
    defer {
      host.pages.free(buffers)
      host.pages.free(lists)
    }
    var rest = addresses[...]
    while !rest.isEmpty {
      let chunk = Array(rest.prefix(LinuxHost.listSize))
      rest = rest.dropFirst(LinuxHost.listSize)
      try moveChunk(chunk, to: &other, session, lists: lists, buffers: buffers, host: &host, door: door)
    }
  }

  /// One list of pages: GPAs, buffers, MACs in two pages, and new pages for the other side.
  private mutating func moveChunk(
    _ chunk: [UInt64], to other: inout TrustDomain, _ session: MigrationSession, lists: [UInt64], buffers: [UInt64],
    host: inout LinuxHost, door: some SEAMCALLDoor
  ) throws(TDError) {
    let tdr = try other.requireTDR()
    var (gpas, places, targets) = ([UInt8](), [UInt8](), [UInt8]())
    guard let pages = host.pages.allocate(chunk.count) else {
      throw TDError(.noMemory, "the host has no pages for TD \(other.name)")
    }
    for (index, gpa) in chunk.enumerated() {
      gpas += GPAListEntry(gpa: gpa).rawValue.littleEndianBytes
      places += buffers[index].littleEndianBytes
      targets += pages[index].littleEndianBytes
    }
    door.writePhysical(gpas, at: lists[0])
    door.writePhysical(places, at: lists[1])
    door.writePhysical(targets, at: lists[4])
    var call = Registers(
      rax: UInt64(ModuleLeaf.exportMem.rawValue), rcx: GPAListInfo(address: lists[0], count: chunk.count).rawValue,
      rdx: try requireTDR())
    call.r8 = MBMDOperand(address: session.mbmd).rawValue
    call.r9 = lists[1]
    call.r11 = lists[2]
    call.r12 = lists[3]
    do throws(TDError) {
      try requireAll(mayFail(call, in: "tdx_export_mem", host: &host, door: door))
      for gpa in chunk { try other.addTables(for: gpa, tdr: tdr, account: .monitor, host: &host, door: door) }
      call.rax = UInt64(ModuleLeaf.importMem.rawValue)
      call.rdx = tdr
      call.r13 = lists[4]
      try requireAll(other.mayFail(call, in: "tdx_import_mem", host: &host, door: door))
    } catch {
      // What the module took and what it left can't be told apart any more.
      other.lostPages += pages
      throw error
    }
    for (gpa, page) in zip(chunk, pages) { other.memory.map(gpa, to: page) }
  }

  /// Details_L2 of a success counts the entries that did not work.
  private func requireAll(_ registers: Registers) throws(TDError) {
    guard registers.status.details == 0 else {
      throw TDError(.invalidArgument, "\(registers.status.details) pages of TD \(name) could not be moved")
    }
  }
}
