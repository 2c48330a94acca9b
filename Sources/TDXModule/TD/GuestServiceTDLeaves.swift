import SEAM

/// TDG.SERVTD.RD and TDG.SERVTD.WR, leaves 18 and 20: a migration TD reads and writes the keys of the TD that it serves
/// (module source 1.5.01). The fields of ``MigrationFieldID`` are all that there is.
extension TDXModule {
  /// The leaf of a vCPU of the TD `service`: RCX binding handle, RDX field id, R8 data, R9 mask, R10 to R13 UUID of the
  /// served TD. Gives R8 the (old) value.
  mutating func serviceTDAccess(
    _ registers: inout Registers, writes: Bool, by service: UInt64, machine: inout Machine
  ) throws(GuestStop) -> CompletionStatus {
    let operands = registers
    if !writes { registers.rdx = .max }
    registers.r8 = 0
    let serviceTD = try guestTD(service)
    let (tdr, slot) = ServiceTDHandle(rawValue: operands.rcx).target(uuid: serviceTD.uuid)
    guard slot < ServiceTDBindings.maximum else { throw .invalid(.rcx) }
    do throws(ModuleError) {
      let target = try requireTDR(tdr, .tdr, .shared)
      // TDH.MNG.WR is allowed in the OP_STATEs of TDG.SERVTD.WR from INITIALIZED on, TDH.VP.FLUSH in all.
      let isNew = tds[target]?.opState == .uninitialized
      try requireTD(target, for: writes && !isNew ? .mngWR : .vpFlush)
    } catch {
      let status = error.status
      throw status.code == .operandBusy ? .status(status) : .crossTDTrap(status, tdr: tdr)
    }
    let td = try guestTD(tdr)
    let uuid = [operands.r10, operands.r11, operands.r12, operands.r13]
    guard td.uuid == uuid else {
      guard td.migration.preImportUUID == uuid else { throw .status(.targetUUIDMismatch) }
      registers.r10 = td.uuid[0]
      registers.r11 = td.uuid[1]
      registers.r12 = td.uuid[2]
      registers.r13 = td.uuid[3]
      throw .status(.targetUUIDUpdated)
    }
    guard (locks.serviceTDs[tdr] ?? .free).admitsShared else { throw .status(.operandBusy.with(.servTDBindings)) }
    guard let binding = td.serviceTDs.slots[slot], binding.state == .bound else {
      throw .crossTDTrap(.servtdNotBound.with(details: UInt32(truncatingIfNeeded: slot)), tdr: tdr)
    }
    guard binding.uuid == serviceTD.uuid else { throw .crossTDTrap(.servtdUUIDMismatch, tdr: tdr) }
    guard !locks.rtmrs.contains(service) else { throw .status(.operandBusy.with(.rtmr)) }
    guard binding.infoHash == serviceTD.infoHash(ignoring: binding.attributes.ignored) else {
      throw .crossTDTrap(.servtdInfoHashMismatch, tdr: tdr)
    }
    do throws(ModuleError) {
      registers.r8 =
        writes
        ? try writeMigrationField(operands, of: tdr)
        : try readMigrationField(operands.rdx, of: tdr, machine: &machine)
    } catch {
      throw .status(error.status)
    }
    return .success
  }

  /// A field of the migration class and the element of it, by the id without what a single element does not need.
  private func migrationField(_ raw: UInt64) throws(ModuleError) -> (field: UInt64, element: Int) {
    let id = MetadataFieldID(rawValue: raw)
    guard id.isSingleElement else { throw .refused(.metadataFieldIDIncorrect, "\(raw.text) is no single element") }
    func element(of first: UInt64, count: UInt64) -> Int? {
      // Size, context and NON_ARCH do not decide (tdx-module.md 5.2).
      let mask: UInt64 = 0x3F00_0000_00FF_FFFF
      let offset = (raw & mask) &- (first & mask)
      return offset < count ? Int(truncatingIfNeeded: offset) : nil
    }
    for (field, count) in [
      (MigrationFieldID.decryptionKey, 4), (MigrationFieldID.encryptionKey, 4), (MigrationFieldID.version, 1),
    ] as [(UInt64, UInt64)] {
      if let index = element(of: field, count: count) { return (field, index) }
    }
    throw .refused(.metadataFieldIDIncorrect, "tdxfs has no field \(raw.text) for a service TD")
  }

  private mutating func readMigrationField(
    _ raw: UInt64, of tdr: UInt64, machine: inout Machine
  ) throws(ModuleError) -> UInt64 {
    let (field, element) = try migrationField(raw)
    if field == MigrationFieldID.encryptionKey, element == 0 {
      // No two sessions use one key.
      let key = try random(4, &machine)
      tds[tdr]?.migration.encryptionKey = key
    }
    guard let migration = tds[tdr]?.migration else { throw .fatal("no TD") }
    switch field {
    case MigrationFieldID.encryptionKey: return migration.encryptionKey[element]
    case MigrationFieldID.decryptionKey: return migration.decryptionKey[element]
    default: return 0
    }
  }

  /// Gives the old value.
  private mutating func writeMigrationField(_ operands: Registers, of tdr: UInt64) throws(ModuleError) -> UInt64 {
    let (field, element) = try migrationField(operands.rdx)
    switch field {
    case MigrationFieldID.decryptionKey:
      let old = tds[tdr]?.migration.decryptionKey[element] ?? 0
      tds[tdr]?.migration.decryptionKey[element] = old & ~operands.r9 | operands.r8 & operands.r9
      tds[tdr]?.migration.isDecryptionKeySet = true
      return old
    case MigrationFieldID.version:
      guard operands.r8 & operands.r9 == 0 else {
        throw .refused(.metadataFieldValueNotValid, "0 is the only migration version")
      }
      return 0
    default:
      throw .refused(.metadataFieldNotWritable, "field \(operands.rdx.text) cannot be written")
    }
  }
}

extension GuestStop {
  /// The vCPU leaves the TD with `CROSS_TD_TRAP`: RDX is `status`, which the guest also finds in RAX, R8 is the other TD.
  fileprivate static func crossTDTrap(_ status: CompletionStatus, tdr: UInt64) -> GuestStop {
    let registers = Registers(rax: CompletionStatus.crossTDTrap.rawValue, rdx: status.rawValue, r8: tdr)
    return .trap(TDExit(registers: registers, fate: .ready(.asyncTrap)), status)
  }
}

extension ModuleError {
  /// What a guest sees of the refusal. A page that is no TDR any more cannot be told from one that never was.
  fileprivate var status: CompletionStatus {
    switch self {
    case .refused(let status, _): status
    case .fatal: .pageMetadataIncorrect.with(.tdr)
    }
  }
}
