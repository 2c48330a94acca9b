import Basics
import SEAM

/// What lets a host look into a TD's memory.
extension TDXModule {
  /// TDH.MEM.SEPT.RD, leaf 25: an entry, in RCX and RDX. With RDX bit 0, which a host may set for a DEBUG TD only, R8 has the
  /// attributes of the range in the L2 VMs too, 16 bits for each.
  func septRead(_ operands: Registers, _ call: inout Call) throws(ModuleError) -> CompletionStatus {
    let wantsAttributes = operands.rdx & 1 != 0
    let tdr = try requireTD(operands.rdx & ~1, .rdx, .shared, for: .memSEPTRD)
    guard !wantsAttributes || tds[tdr]?.parameters.attributes.contains(.debug) == true else {
      throw .invalid(.rdx, "L2 attributes can be read of a DEBUG TD only")
    }
    let place = try requirePlace(operands.rcx, levels: 0...rootLevel(tdr), of: tdr)
    let entry = try requireEntry(place, .shared, &call)
    if wantsAttributes {
      // Only tables have aliases here: read, write, both executes, and VALID.
      call.registers.r8 = (1...3 as ClosedRange<UInt64>).reduce(0) { result, vm in
        entry.aliases >> UInt8(vm) & 1 != 0 ? result | 0x800F << (16 * vm) : result
      }
    }
    show(entry, level: place.level, in: &call)
    return .success
  }

  /// TDH.MEM.RD, leaf 12, and TDH.MEM.WR, leaf 14, with the `data` that is written: eight bytes at RCX in the memory of a
  /// DEBUG TD. R8 is what was there.
  func memoryReadWrite(
    _ data: UInt64?, _ operands: Registers, _ call: inout Call, machine: inout Machine
  ) throws(ModuleError) -> CompletionStatus {
    call.registers.r8 = 0
    let tdr = try requireTD(operands.rdx, .rdx, .shared, for: data == nil ? .memRD : .memWR)
    guard tds[tdr]?.parameters.attributes.contains(.debug) == true else {
      throw .refused(.tdNonDebug, "the TD at \(tdr.text) has not the attribute DEBUG")
    }
    guard operands.rcx & 7 == 0 else { throw .invalid(.rcx, "RCX = \(operands.rcx.text) is not a multiple of 8") }
    try requireTree(tdr, .shared)
    let position = try walkToLeaf(operands.rcx, of: tdr, &call)
    let size: UInt64 = 1 << PAMT.shift(position.level)
    let place = SEPTPlace(tdr: tdr, gpa: operands.rcx & ~(size - 1), level: position.level)
    try requireEntryLock(place, position.entry, &call)
    let isWritable = position.entry.state == .mapped || position.entry.state == .exportedDirty
    guard data == nil || isWritable else { throw incorrectState(position.entry, place, &call) }
    let address = position.entry.hpa | operands.rcx & (size - 1)
    call.registers.r8 = UInt64(littleEndianBytes: machine.memory.read(address, count: 8))
    if let data {
      machine.memory.write(data.littleEndianBytes, at: address, keyID: tds[tdr]?.hkid ?? 0)
    }
    return .success
  }
}
