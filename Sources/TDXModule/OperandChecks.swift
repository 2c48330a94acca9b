import SEAM

extension ModuleError {
  /// `OPERAND_INVALID` with `operand`.
  static func invalid(_ operand: OperandID, _ reason: String) -> ModuleError {
    .refused(.operandInvalid.with(operand), reason)
  }

  /// `OPERAND_BUSY` with `operand`.
  static func busy(_ operand: OperandID, _ reason: String) -> ModuleError {
    .refused(.operandBusy.with(operand), reason)
  }
}

extension UInt64 {
  /// `0x…` for messages.
  var text: String { "0x" + String(self, radix: 16) }
}

extension TDXModule {
  /// "Shared HPA" (tdx-module.md 1.0): a buffer of the host of `size` bytes.
  func requireShared(
    _ address: UInt64, size: UInt64, alignment: UInt64, _ operand: OperandID, in machine: Machine
  ) throws(ModuleError) {
    guard machine.isSharedAddress(address, size: size, alignment: alignment) else {
      throw .invalid(
        operand, "\(operand.name) = \(address.text) is not the address of a \(alignment)-byte-aligned shared buffer")
    }
  }

  /// The KeyID in bits 15:0 of `value` if it is private.
  func privateKeyID(_ value: UInt64) -> UInt16? {
    let keyID = UInt16(truncatingIfNeeded: value)
    let range = MachineConfiguration.firstPrivateKeyID..<MachineConfiguration.endOfPrivateKeyIDs
    return range.contains(keyID) ? keyID : nil
  }

  /// The TDMR whose initialised part holds `address`.
  func tdmr(holding address: UInt64) -> TDMR? {
    state?.handoff.tdmrs.first { address >= $0.base && address < $0.end && address < $0.usableEnd }
  }

  /// The page at `address`: its type, a page of a reserved area being PT_RSVD.
  func pageType(_ address: UInt64, in tdmr: TDMR) -> PageType {
    tdmr.isReserved(address) ? .rsvd : pamt[address]?.type ?? .nda
  }

  /// The checks of a page operand up to the lock of its PAMT entry. Gives its TDMR.
  @discardableResult
  func requirePage(
    _ raw: UInt64, _ operand: OperandID, _ access: Access = .shared
  ) throws(ModuleError) -> TDMR {
    let address = PhysicalAddress(rawValue: raw)
    guard address.isAligned(to: 4096), !address.exceedsMaxPA, address.keyID == 0 else {
      throw .invalid(
        operand, "\(operand.name) = \(raw.text) is not the address of a page below MAXPA with KeyID bits 0")
    }
    guard let tdmr = tdmr(holding: raw) else {
      throw .refused(
        .operandAddrRangeError.with(operand), "\(operand.name) = \(raw.text) is in no initialised part of a TDMR")
    }
    guard !locks.pages.contains(raw / 4096), access == .shared || !locks.sharedPages.contains(raw / 4096) else {
      throw .busy(operand, "the PAMT entry of page \(raw.text) is locked")
    }
    return tdmr
  }

  /// "Private page operand" (tdx-module.md 1.0): a page of type `type`.
  func requirePage(
    _ raw: UInt64, _ type: PageType, _ operand: OperandID, _ access: Access = .shared
  ) throws(ModuleError) {
    let tdmr = try requirePage(raw, operand, access)
    let actual = pageType(raw, in: tdmr)
    // A page inside a large one has no entry of its own.
    guard actual == type, (pamt[raw]?.level ?? 0) == 0 else {
      throw .refused(
        .pageMetadataIncorrect.with(operand),
        "page \(raw.text) in \(operand.name) is \(describePage(raw, actual)) where PT_\(type) is needed")
    }
  }

  /// What a page is, for messages.
  func describePage(_ address: UInt64, _ type: PageType) -> String {
    switch pamt[address]?.level ?? 0 {
    case 0: "PT_\(type)"
    case 1: "in a PT_\(type) of 2 MiB"
    default: "in a PT_\(type) of 1 GiB"
    }
  }

  /// The page of the host at `raw` that the leaf is to give to the TD at `tdr`; `taken` are others that it has locked.
  func requireFreePage(
    _ raw: UInt64, _ operand: OperandID, for tdr: UInt64, taken: [UInt64] = []
  ) throws(ModuleError) {
    // The leaf has these pages itself, so their type is never looked at.
    if raw == tdr || taken.contains(raw) {
      throw .busy(operand, "\(operand.name) = \(raw.text) is a page that the leaf uses already")
    }
    try requirePage(raw, .nda, operand, .exclusive)
  }

  /// Ditto for a page of `level`: 0 is 4 KiB, 1 is 2 MiB.
  func requireFreeRange(
    _ raw: UInt64, level: UInt8, _ operand: OperandID, for tdr: UInt64
  ) throws(ModuleError) {
    guard level > 0 else { return try requireFreePage(raw, operand, for: tdr) }
    let size: UInt64 = 1 << PAMT.shift(level)
    let address = PhysicalAddress(rawValue: raw)
    guard address.isAligned(to: size), !address.exceedsMaxPA, address.keyID == 0 else {
      throw .invalid(
        operand, "\(operand.name) = \(raw.text) is not the address of 2 MiB below MAXPA with KeyID bits 0")
    }
    guard let tdmr = tdmr(holding: raw) else {
      throw .refused(
        .operandAddrRangeError.with(operand), "\(operand.name) = \(raw.text) is in no initialised part of a TDMR")
    }
    let numbers = (raw / 4096)..<((raw &+ size) / 4096)
    guard !numbers.contains(tdr / 4096), !locks.pages.contains(where: numbers.contains),
      !locks.sharedPages.contains(where: numbers.contains)
    else { throw .busy(operand, "a PAMT entry of the 2 MiB at \(raw.text) is locked") }
    guard pamt.is2MBRangeFree(raw), !tdmr.hasReserved(raw..<(raw &+ size)) else {
      throw .refused(.pageMetadataIncorrect.with(operand), "the 2 MiB at \(raw.text) are not all PT_NDA")
    }
  }
}
