/// One thing that the software of a TD does on a vCPU.
///
/// No x86 code is executed here. What a vCPU would execute is a list of such steps, which stands beside the machine's
/// memory as the module's program does; the module runs it in TDH.VP.ENTER and so decides what each step can do.
public enum GuestStep: Equatable, Hashable, Sendable, Codable {
  /// TDCALL: RAX selects the leaf, the other registers are its operands. TDG.VP.VMCALL (leaf 0) leaves the TD.
  case tdcall(Registers)
  /// Reads `count` bytes at the guest physical address `gpa`, which may cross pages.
  case read(gpa: UInt64, count: Int)
  /// Writes `bytes` at the guest physical address `gpa`, which may cross pages.
  case write(gpa: UInt64, bytes: [UInt8])
  /// HLT: the guest's #VE handler makes TDG.VP.VMCALL<HLT> (GHCI 3.7) of it, which leaves the TD.
  case halt
}

/// What became of a ``GuestStep``, as the guest sees it.
public enum GuestOutcome: Equatable, Sendable, Codable {
  /// Registers after a TDCALL.
  case registers(Registers)
  /// Bytes that were read.
  case bytes([UInt8])
  /// The bytes were written.
  case written
  /// Came back from HLT.
  case resumed
  /// The access made a #VE, which the guest does not handle: it skips the step. EXIT_REASON and the address of
  /// TDG.VP.VEINFO.GET.
  case virtualizationException(reason: UInt32, gpa: UInt64)
}

/// The software of one vCPU: what it has still to do, and what it has seen.
public struct GuestProgram: Equatable, Sendable, Codable {
  /// Steps to come, the next one first. With none left the vCPU spins until an interrupt takes it out of the TD.
  public var steps: [GuestStep]
  /// Outcomes of the steps that are done, oldest first.
  public var outcomes: [GuestOutcome] = []

  /// Software that does `steps`.
  public init(steps: [GuestStep] = []) {
    self.steps = steps
  }
}

/// How software gets into a TD and what it says comes out: the guest's side of a machine, beside the ``SEAMCALLDoor`` of
/// the host. A virtual machine monitor uses it for what, on silicon, are the image that it loads and the guest's console.
public protocol GuestDoor: AnyObject {
  /// Appends `steps` to the software of the vCPU whose TDVPR page is at `tdvpr`.
  func appendGuestSteps(_ steps: [GuestStep], toVCPU tdvpr: UInt64)

  /// Takes the outcomes that the vCPU at `tdvpr` has seen since the last time.
  func takeGuestOutcomes(ofVCPU tdvpr: UInt64) -> [GuestOutcome]

  /// The vCPU at `tdvpr` is gone, and its software with it.
  func forgetGuest(ofVCPU tdvpr: UInt64)
}
