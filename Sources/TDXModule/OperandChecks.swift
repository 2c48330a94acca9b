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
    guard actual == type else {
      throw .refused(
        .pageMetadataIncorrect.with(operand),
        "page \(raw.text) in \(operand.name) is PT_\(actual) where PT_\(type) is needed")
    }
  }
}
