import SEAM

extension TDXModule {
  /// TDH.SERVTD.*: binding of service TDs.
  mutating func serviceTDLeaf(
    _ leaf: ModuleLeaf, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    switch leaf {
    case .servtdBind: return try servtdBind(&call)
    case .servtdPrebind: return try servtdPrebind(call, machine: machine)
    default:
      // TDH.SERVTD.REBIND: its operands are not known.
      try requirePage(call.registers.rcx, .tdr, .rcx)
      throw notEmulated(leaf)
    }
  }

  /// R8, R9, R10 of both leaves, in this order.
  private func binding(_ operands: Registers) throws(ModuleError) -> (slot: Int, type: UInt16, ServiceTDAttributes) {
    guard operands.r8 < UInt64(ServiceTDBindings.maximum) else {
      throw .invalid(.r8, "R8 = \(operands.r8.text): there are \(ServiceTDBindings.maximum) binding slots")
    }
    guard operands.r9 == UInt64(ServiceTDBindings.migrationType) else {
      throw .invalid(.r9, "R9 = \(operands.r9.text): 0, a migration TD, is the only type of service TD")
    }
    let attributes = ServiceTDAttributes(rawValue: operands.r10)
    guard attributes.isValid else {
      throw .invalid(.r10, "R10 = \(operands.r10.text): bits 0 and 42:32 are all that can be set")
    }
    return (Int(truncatingIfNeeded: operands.r8), ServiceTDBindings.migrationType, attributes)
  }

  private func requireBindingsLock(_ tdr: UInt64) throws(ModuleError) {
    guard (locks.serviceTDs[tdr] ?? .free).admitsExclusive else {
      throw .busy(.servTDBindings, "the service TD bindings of the TD at \(tdr.text) are locked")
    }
  }

  /// TDH.SERVTD.BIND, leaf 48: binds the TD RDX to the TD RCX. Gives the binding handle and the UUID of the TD RCX.
  private mutating func servtdBind(_ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    call.registers.rcx = 0
    call.registers.r10 = 0
    call.registers.r11 = 0
    call.registers.r12 = 0
    call.registers.r13 = 0
    guard operands.rdx != operands.rcx else { throw .invalid(.rdx, "a TD cannot serve itself") }
    let tdr = try requireTD(operands.rcx, .rcx, .shared, for: .servtdBind)
    let service = try requireTDR(operands.rdx, .rdx, .shared)
    // TDH.VP.FLUSH is allowed in every OP_STATE; the set for a service TD is one of its own.
    try requireTD(service, for: .vpFlush)
    guard let serviceTD = tds[service], Self.servingStates.contains(serviceTD.opState) else {
      throw .refused(.opStateIncorrect, "the service TD at \(service.text) is not finalised")
    }
    let (slot, type, attributes) = try binding(operands)
    try requireBindingsLock(tdr)
    guard !locks.rtmrs.contains(service) else {
      throw .busy(.rtmr, "the RTMRs of the TD at \(service.text) are locked")
    }
    let infoHash = serviceTD.infoHash(ignoring: attributes.ignored)
    guard let td = tds[tdr] else { throw .fatal("no TD") }
    var result = ServiceTDBindings.Binding(
      state: .bound, type: type, attributes: attributes, infoHash: infoHash, uuid: serviceTD.uuid)
    if let existing = td.serviceTDs.slots[slot] {
      try requireMatch(existing, result)
      // A bound slot keeps the hash unless it is bound to an instance, whose RTMRs may have changed.
      if !(existing.state == .bound && attributes.isInstanceBinding) { result.infoHash = existing.infoHash }
    } else {
      guard td.opState == .uninitialized || td.opState == .initialized else {
        throw .refused(.opStateIncorrect, "a TD that is finalised gets no service TD in a slot that is not pre-bound")
      }
    }
    tds[tdr]?.serviceTDs.slots[slot] = result
    call.registers.rcx = ServiceTDHandle(tdr: tdr, slot: UInt16(slot), uuid: serviceTD.uuid).rawValue
    call.registers.r10 = td.uuid[0]
    call.registers.r11 = td.uuid[1]
    call.registers.r12 = td.uuid[2]
    call.registers.r13 = td.uuid[3]
    return .success
  }

  private static let servingStates = OpStates(
    .runnable, .liveExport, .pausedExport, .postExport, .postImport, .liveImport)

  /// What a slot in use demands of the TD that is bound to it.
  private func requireMatch(
    _ existing: ServiceTDBindings.Binding, _ new: ServiceTDBindings.Binding
  ) throws(ModuleError) {
    guard existing.type == new.type else {
      throw .refused(.servtdTypeMismatch, "the slot is for a service TD of type \(existing.type)")
    }
    guard existing.attributes == new.attributes else {
      throw .refused(
        .servtdAttrMismatch, "the slot has SERVTD_ATTR \(existing.attributes.rawValue.text)")
    }
    if existing.state == .bound, existing.attributes.isInstanceBinding {
      guard existing.uuid == new.uuid else {
        throw .refused(.servtdUUIDMismatch, "the slot is bound to the instance of another TD")
      }
    } else {
      guard existing.infoHash == new.infoHash else {
        throw .refused(.servtdInfoHashMismatch, "the slot is for a service TD that is measured differently")
      }
    }
  }

  /// TDH.SERVTD.PREBIND, leaf 49: says with the 48 bytes at RDX which TD may be bound later.
  private mutating func servtdPrebind(_ call: Call, machine: Machine) throws(ModuleError) -> CompletionStatus {
    let operands = call.registers
    let tdr = try requireTD(operands.rcx, .rcx, .shared, for: .servtdPrebind)
    try requireShared(operands.rdx, size: 48, alignment: 64, .rdx, in: machine)
    let (slot, type, attributes) = try binding(operands)
    try requireBindingsLock(tdr)
    guard tds[tdr]?.serviceTDs.slots[slot]?.state != .bound else {
      throw .refused(.servtdBound, "the slot is bound already")
    }
    let hash = machine.memory.hostRead(
      PhysicalAddress(rawValue: operands.rdx).withoutKeyID, count: TDMeasurement.digestSize)
    tds[tdr]?.serviceTDs.slots[slot] = .init(state: .preBound, type: type, attributes: attributes, infoHash: hash)
    return .success
  }
}

/// The binding handle: bits 11:0 slot, 51:12 TDR of the served TD, plus the first word of the service TD's UUID, so that no
/// other TD can guess it (module source 1.5.01).
struct ServiceTDHandle: RawRepresentable, Sendable {
  let rawValue: UInt64

  init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// The handle for the service TD with `uuid` to `slot` of the TD at `tdr`.
  init(tdr: UInt64, slot: UInt16, uuid: [UInt64]) {
    rawValue = (tdr | UInt64(slot)) &+ (uuid.first ?? 0)
  }

  /// What the handle says when the TD with `uuid` uses it.
  func target(uuid: [UInt64]) -> (tdr: UInt64, slot: Int) {
    let plain = rawValue &- (uuid.first ?? 0)
    return (plain & 0x000F_FFFF_FFFF_F000, Int(truncatingIfNeeded: plain & 0xFFF))
  }
}
