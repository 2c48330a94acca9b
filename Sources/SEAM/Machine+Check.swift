import Basics

extension Machine {
  /// Whether it is a state that a machine of `expected` can have: what came out of an archive may be anything.
  public func check(as expected: MachineConfiguration) throws(ArchiveError) {
    try ArchiveCheck.require(configuration == expected, "another machine's configuration")
    let base = expected.seamRangeBase
    try memory.check(seamRange: base..<(base + MachineConfiguration.seamRangeSize))
    try seamExtend.info.check()
    try seamdb.check(size: expected.seamdbSize)
    try reportKey.check()
    for lp in pendingInterrupts {
      try ArchiveCheck.range(lp, 0...(expected.logicalProcessors - 1), "an LP with an interrupt")
    }
    for program in guests.values {
      try ArchiveCheck.range(program.steps.count, 0...Self.mostGuestSteps, "the number of steps of a guest")
      for case .read(_, let count) in program.steps {
        try ArchiveCheck.range(count, 0...Self.longestGuestRead, "the length of a guest's read")
      }
    }
  }

  /// More than any monitor gives a vCPU.
  private static let mostGuestSteps = 1 << 20
  private static let longestGuestRead = 1 << 20
}

extension SEAMInfo {
  /// Whether all parts have their lengths.
  public func check() throws(ArchiveError) {
    try ArchiveCheck.count(teeTCBSVN, is: 16, "TEE_TCB_SVN")
    try ArchiveCheck.count(mrseam, is: 48, "MRSEAM")
    try ArchiveCheck.count(mrsignerseam, is: 48, "MRSIGNERSEAM")
  }
}
