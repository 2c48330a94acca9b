import SEAM

extension SEPTState {
  /// Whether the guest may read the page.
  var isReadable: Bool { isLeaf && permissions & 1 != 0 }

  /// Whether the guest may write the page: it is not blocked for writing.
  var isWritable: Bool { isLeaf && permissions & 2 != 0 }

  /// Whether TDG.MEM.PAGE.ACCEPT can take the page, and an access to it can be told from one to nothing.
  var isAcceptable: Bool { self == .pending || self == .pendingExportedDirty }
}

/// How the guest touches memory.
struct GuestAccess: OptionSet, Sendable {
  let rawValue: UInt64

  /// Bits as in an EPT violation's exit qualification.
  static let read = Self(rawValue: 1)
  static let write = Self(rawValue: 2)
}

/// Why a guest step ended otherwise than it wanted to.
enum GuestStop: Error {
  /// A TDCALL is refused with the status.
  case status(CompletionStatus)
  /// The vCPU leaves the TD; the step is done again at the next entry.
  case exit(TDExit)
  /// The vCPU leaves the TD; the TDCALL is done, with this status.
  case trap(TDExit, CompletionStatus)
  /// The module puts a #VE into the guest instead.
  case virtualizationException(VCPU.VEInfo)

  /// A TDCALL is refused with `OPERAND_INVALID`.
  static func invalid(_ operand: OperandID) -> GuestStop { .status(.operandInvalid.with(operand)) }
}

extension TDXModule {
  /// Whether `gpa` is an address in the TD: below its width. Private ones have the shared bit clear.
  func isGuestAddress(_ gpa: UInt64, in td: TD) -> Bool { gpa < td.parameters.sharedBit << 1 }

  /// The physical address of the byte at `gpa`, which lies in a page that the guest may access so.
  ///
  /// There is no shared EPT here: an access to shared memory is an EPT violation, as it is before the host maps anything.
  func translate(_ gpa: UInt64, _ access: GuestAccess, in td: TD) throws(GuestStop) -> UInt64 {
    guard gpa < td.parameters.sharedBit else {
      throw .exit(.eptViolation(gpa: gpa, qualification: access.rawValue))
    }
    let place = td.sept.walk(gpa, to: 0, root: td.parameters.rootLevel)
    let (entry, level) = (place.entry, place.level)
    var missing = access
    if entry.state.isReadable { missing.remove(.read) }
    if entry.state.isWritable { missing.remove(.write) }
    if missing.isEmpty { return entry.hpa &+ gpa & ((1 << (12 + 9 * UInt64(level))) - 1) }
    // Bits 5:3: what the entry allows. Who may read may execute.
    let allowed: UInt64 = (entry.state.isReadable ? 0b101 : 0) | (entry.state.isWritable ? 0b010 : 0)
    let qualification = missing.rawValue | allowed << 3
    guard entry.state.isAcceptable else { throw .exit(.eptViolation(gpa: gpa, qualification: qualification)) }
    guard td.pendingVEDisabled else {
      throw .virtualizationException(
        VCPU.VEInfo(exitReason: ExitReason.eptViolation.rawValue, qualification: qualification, gpa: gpa))
    }
    throw .exit(.eptViolation(gpa: gpa, qualification: qualification, extended: .pendingEPTViolation))
  }

  /// Reads `count` bytes at `gpa`, whichever pages they lie in.
  func readGuest(_ gpa: UInt64, count: Int, in td: TD, machine: Machine) throws(GuestStop) -> [UInt8] {
    var bytes: [UInt8] = []
    var address = gpa
    while bytes.count < count {
      guard isGuestAddress(address, in: td) else { throw .exit(.unhandledPageFault) }
      let hpa = try translate(address, .read, in: td)
      let length = min(Int(4096 - address % 4096), count - bytes.count)
      bytes += machine.memory.read(hpa, count: length)
      address &+= UInt64(length)
    }
    return bytes
  }

  /// Writes `bytes` at `gpa`, whichever pages they lie in: all of them or none.
  func writeGuest(
    _ bytes: [UInt8], at gpa: UInt64, _ access: GuestAccess = .write, in td: TD, machine: inout Machine
  ) throws(GuestStop) {
    var targets: [UInt64] = []
    var address = gpa
    var left = bytes.count
    while left > 0 {
      guard isGuestAddress(address, in: td) else { throw .exit(.unhandledPageFault) }
      targets.append(try translate(address, access, in: td))
      let length = min(Int(4096 - address % 4096), left)
      address &+= UInt64(length)
      left -= length
    }
    var rest = bytes[...]
    for target in targets {
      let chunk = rest.prefix(Int(4096 - target % 4096))
      machine.memory.write(chunk, at: target, keyID: td.hkid)
      rest = rest.dropFirst(chunk.count)
    }
  }
}

extension TDExit {
  /// An address above the TD's width is a page fault, which the software here does not handle: a triple fault.
  static let unhandledPageFault = TDExit.abnormal(.nonRecoverableVCPU, .vcpuDisabled, reason: .tripleFault)
}

extension TD {
  /// TD_CTLS.PENDING_VE_DISABLE: an access to a PENDING page leaves the TD instead of making a #VE. ATTRIBUTES.
  /// SEPT_VE_DISABLE gives its first value; the guest may change it when CONFIG_FLAGS has FLEXIBLE_PENDING_VE.
  var pendingVEDisabled: Bool {
    (tdControls ?? 0) & 1 != 0 || tdControls == nil && parameters.attributes.contains(.septVEDisable)
  }
}
