import SEAM

/// TDG.VM.RD, TDG.VM.WR, TDG.VP.RD, TDG.VP.WR, TDG.SYS.RD, TDG.SYS.RDALL: metadata for the guest, with the guest's masks
/// (tdx-module.md 1.3, 5.2, 5.3, 6.9).
extension TDXModule {
  /// TDG.VM.RD, leaf 7, and TDG.VP.RD, leaf 9: RCX 0, RDX the field; R8 the value, RDX the next field. TDG.VM.RD tells the next
  /// field in version 1 only.
  private func read<Field>(
    _ access: MetadataAccess<Field>, _ registers: inout Registers, tellsNext: Bool,
    _ value: (MetadataElement<Field>) -> UInt64
  ) throws(GuestStop) -> CompletionStatus {
    let id = MetadataFieldID(rawValue: registers.rdx)
    if tellsNext { registers.rdx = MetadataFieldID.none.rawValue }
    registers.r8 = 0
    guard registers.rcx == 0 else { throw .invalid(.rcx) }
    if tellsNext, id.isNull {
      registers.rdx = access.first.rawValue
      return .metadataFirstFieldIDInContext
    }
    do throws(MetadataRefusal) {
      let result = try access.read(id, value)
      registers.r8 = result.value
      if tellsNext { registers.rdx = result.next.rawValue }
      return .success
    } catch {
      throw .status(error.status)
    }
  }

  /// TDG.VM.RD.
  func vmRD(
    _ rax: LeafAndVersion, _ registers: inout Registers, _ tdr: UInt64, machine: Machine
  ) throws(GuestStop) -> CompletionStatus {
    if rax.version > 1 {
      registers.rdx = MetadataFieldID.none.rawValue
      registers.r8 = 0
      throw .invalid(.rax)
    }
    let access = MetadataAccess<TDField>(traits: try guestTraits(), reader: .guest)
    return try read(access, &registers, tellsNext: rax.version > 0, tdValues(tdr, machine))
  }

  /// TDG.VP.RD.
  func guestVPRD(_ registers: inout Registers, _ tdvpr: UInt64, _ tdr: UInt64) throws(GuestStop) -> CompletionStatus {
    let access = MetadataAccess<VCPUField>(traits: try guestTraits(), reader: .guest)
    return try read(access, &registers, tellsNext: true, vcpuValues(tdvpr, tdr))
  }

  /// TDG.VM.WR, leaf 8: RCX 0, RDX the field, R8 the value, R9 the mask; R8 what was there.
  mutating func vmWR(
    _ registers: inout Registers, _ tdr: UInt64, machine: Machine
  ) throws(GuestStop) -> CompletionStatus {
    let new = registers.r8
    registers.r8 = 0
    guard registers.rcx == 0 else { throw .invalid(.rcx) }
    let access = MetadataAccess<TDField>(traits: try guestTraits(), reader: .guest)
    do throws(MetadataRefusal) {
      let (element, value, old) = try access.write(
        MetadataFieldID(rawValue: registers.rdx), new, mask: registers.r9, tdValues(tdr, machine))
      try store(value, in: element, of: tdr, by: .guest, mask: registers.r9, access.traits)
      registers.r8 = old.value
      return .success
    } catch {
      throw .status(error.status)
    }
  }

  /// TDG.VP.WR, leaf 10: the same for the vCPU.
  mutating func guestVPWR(
    _ registers: inout Registers, _ tdvpr: UInt64, _ tdr: UInt64, machine: Machine
  ) throws(GuestStop) -> CompletionStatus {
    let new = registers.r8
    registers.r8 = 0
    guard registers.rcx == 0 else { throw .invalid(.rcx) }
    let access = MetadataAccess<VCPUField>(traits: try guestTraits(), reader: .guest)
    do throws(MetadataRefusal) {
      let (element, value, old) = try access.write(
        MetadataFieldID(rawValue: registers.rdx), new, mask: registers.r9, vcpuValues(tdvpr, tdr))
      try store(value, in: element, of: tdvpr, access.traits, machine: machine)
      registers.r8 = old.value
      return .success
    } catch {
      throw .status(error.status)
    }
  }

  /// TDG.SYS.RD, leaf 11: as TDH.SYS.RD, of the fields that are for guests.
  func guestSysRD(_ registers: inout Registers, machine: Machine) throws(GuestStop) -> CompletionStatus {
    let given = MetadataFieldID(rawValue: registers.rdx)
    let id = given.inSystemContext
    registers.rdx = MetadataFieldID.none.rawValue
    registers.r8 = 0
    guard let state else { throw .invalid(.rax) }
    if given.isNull {
      registers.rdx = (SysField.first(state.traits, forGuest: true)?.description.id ?? .none).rawValue
      return .metadataFirstFieldIDInContext
    }
    guard id.isSingleElement, let field = SysField.field(id, state.traits) else {
      throw .status(.metadataFieldIDIncorrect)
    }
    guard field.description.isGuestReadable else { throw .status(.metadataFieldNotReadable) }
    // Every field that is for guests has one element.
    registers.r8 = SysFieldValues(state: state, machine: machine).value(field, 0)
    registers.rdx = (field.next(state.traits, forGuest: true)?.description.id ?? .none).rawValue
    return .success
  }

  /// TDG.SYS.RDALL, leaf 12: writes them as a list into the private page RDX, from the field R8 on, or from the first.
  func guestSysRdall(
    _ registers: inout Registers, _ tdr: UInt64, machine: inout Machine
  ) throws(GuestStop) -> CompletionStatus {
    let given = MetadataFieldID(rawValue: registers.r8)
    registers.r8 = MetadataFieldID.none.rawValue
    let td = try guestTD(tdr)
    guard registers.rdx % 4096 == 0, registers.rdx < td.parameters.sharedBit, let state else { throw .invalid(.rdx) }
    // The page is there before the list is made.
    _ = try translate(registers.rdx, [.read, .write], in: td)
    guard let start = MetadataList.Position(given, state.traits, forGuest: true) else {
      throw .status(.metadataFieldIDIncorrect)
    }
    var list = MetadataList(values: SysFieldValues(state: state, machine: machine), forGuest: true)
    let next = list.fill(from: start)
    try writeGuest(list.bytes, at: registers.rdx, [.read, .write], in: td, machine: &machine)
    guard let next else { return .success }
    registers.r8 = next.id.rawValue
    return .metadataListOverflow
  }

  private func guestTraits() throws(GuestStop) -> ModuleTraits {
    guard let traits = state?.traits else { throw .invalid(.rax) }
    return traits
  }
}
