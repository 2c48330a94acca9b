import SEAM

/// The pages that TDH.MEM.SEPT.ADD and TDH.MEM.PAGE.DEMOTE are given for tables: R8 for the TD's tree, R9 to R11 for those
/// of L2 VMs.
struct TablePages {
  /// All ones: no page. On the way out, what is no longer needed.
  static let none = UInt64.max
  /// Bit 63 of an operand, ignored on the way in: on the way out the page was not used.
  static let unused: UInt64 = 1 << 63
  /// Operand of the page of each VM; VM 0 is the TD itself.
  static let operands: [OperandID] = [.r8, .r9, .r10, .r11]

  /// What goes back to the host, by VM.
  var results: [UInt64]

  init(_ registers: Registers, version: UInt8) {
    results = [registers.r8]
    if version > 0 { results += [registers.r9, registers.r10, registers.r11] }
    results = results.map { $0 == Self.none ? $0 : $0 & ~Self.unused }
  }

  /// VMs for which there is a page that was neither used nor found unnecessary.
  var open: [Int] { results.indices.filter { results[$0] & Self.unused == 0 } }

  /// Writes R8 to R11.
  func store(in registers: inout Registers) {
    guard results.count == 4 else { return }
    registers.r8 = results[0]
    registers.r9 = results[1]
    registers.r10 = results[2]
    registers.r11 = results[3]
  }
}

extension TDXModule {
  /// TDH.MEM.SEPT.ADD, leaf 3: the page R8 becomes a table. Version 1 also takes tables of L2 VMs, and, with RDX bit 0, does
  /// not mind that a table is there already.
  mutating func septAdd(
    _ operands: Registers, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    try requireVersion1(call)
    var pages = TablePages(operands, version: call.leaf.version)
    let result: CompletionStatus
    do throws(ModuleError) {
      result = try septAdd(&pages, operands, &call, machine: &machine)
    } catch {
      pages.store(in: &call.registers)
      throw error
    }
    pages.store(in: &call.registers)
    return result
  }

  private mutating func septAdd(
    _ pages: inout TablePages, _ operands: Registers, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    let allowsExisting = call.leaf.version > 0 && operands.rdx & 1 != 0
    let tdr = try requireTD(allowsExisting ? operands.rdx & ~1 : operands.rdx, .rdx, .shared, for: .memSEPTAdd)
    let place = try requirePlace(operands.rcx, levels: 1...rootLevel(tdr), of: tdr)
    let entry = try requireEntry(place, .shared, &call)
    guard entry.state == .free || entry.state == .nonLeafMapped else { throw incorrectState(entry, place, &call) }
    if pages.results[0] == TablePages.none {
      guard call.leaf.version > 0 else { throw .invalid(.r8, "R8 names no page for the table") }
      guard entry.state == .nonLeafMapped else { throw incorrectState(entry, place, &call) }
    } else if entry.state == .free {
      try requireFreePage(pages.results[0], .r8, for: tdr)
    } else {
      guard allowsExisting else { throw incorrectState(entry, place, &call) }
      pages.results[0] |= TablePages.unused
    }
    var taken = pages.open.contains(0) ? [pages.results[0]] : []
    for vm in pages.open where vm > 0 {
      let page = pages.results[vm]
      if try requireL2Table(vm, page, place, taken: taken, allowsExisting: allowsExisting, &call) {
        taken.append(page)
      } else {
        pages.results[vm] |= TablePages.unused
      }
    }
    var added = false
    for vm in pages.open {
      // Not before the first page: an interrupted call has always got further.
      if vm > 0, added, conditions.takeInterrupt() {
        call.registers.rcx = operands.rcx
        call.registers.rdx = operands.rdx
        throw .refused(.interruptedResumable, "an interrupt is pending; call again with the registers as they are")
      }
      addTable(pages.results[vm], place, vm: vm, machine: &machine)
      pages.results[vm] = TablePages.none
      added = true
    }
    return .success
  }

  /// The checks of a page for a table of an L2 VM. Gives whether it is needed.
  private func requireL2Table(
    _ vm: Int, _ page: UInt64, _ place: SEPTPlace, taken: [UInt64], allowsExisting: Bool, _ call: inout Call
  ) throws(ModuleError) -> Bool {
    let operand = TablePages.operands[vm]
    guard vm <= Int(tds[place.tdr]?.parameters.numL2VMs ?? 0) else {
      throw .invalid(operand, "the TD has no L2 VM \(vm)")
    }
    // The root table is part of the TDCS.
    let root = rootLevel(place.tdr)
    var level = root
    while level > place.level {
      guard tds[place.tdr]?.sept[place.gpa, level, vm: vm] != nil else {
        showL2(nil, level: level, vm: vm, in: &call)
        throw .refused(
          .l2SEPTWalkFailed.with(details: UInt32(vm) << 16 | UInt32(level)),
          "the walk to \(place.gpa.text) in the tree of L2 VM \(vm) ends at level \(level)")
      }
      level -= 1
    }
    guard let table = tds[place.tdr]?.sept[place.gpa, place.level, vm: vm] else {
      try requireFreePage(page, operand, for: place.tdr, taken: taken)
      return true
    }
    guard allowsExisting else {
      showL2(table, level: place.level, vm: vm, in: &call)
      throw .refused(
        .l2SEPTEntryNotFree.with(details: UInt32(vm) << 16 | UInt32(place.level)),
        "L2 VM \(vm) has a table for \(place.gpa.text) already")
    }
    return false
  }

  /// RCX and RDX: the entry in the tree of an L2 VM; nil is L2_FREE. Its public state codes are 0 and 132.
  private func showL2(_ table: UInt64?, level: UInt8, vm: Int, in call: inout Call) {
    let nonLeaf = SEPTEntry(state: .nonLeafMapped, hpa: table ?? 0)
    let entry = table == nil ? SEPTEntry.free : nonLeaf
    // Bit 10: user-mode execution.
    call.registers.rcx = entry.architectural | (table == nil ? 0 : 1 << 10)
    call.registers.rdx = entry.information(level: level) | UInt64(truncatingIfNeeded: vm) << 16
  }

  /// Makes the page at `address` a table of VM `vm`, of the level below `place`.
  mutating func addTable(_ address: UInt64, _ place: SEPTPlace, vm: Int, machine: inout Machine) {
    assignPage(address, .ept, to: place.tdr, machine: &machine)
    if vm == 0 {
      tds[place.tdr]?.sept[place.gpa, place.level] = SEPTEntry(state: .nonLeafMapped, hpa: address)
    } else {
      tds[place.tdr]?.sept[place.gpa, place.level]?.aliases |= 1 << UInt8(vm & 7)
      tds[place.tdr]?.sept[place.gpa, place.level, vm: vm] = address
    }
  }
}
