import Basics
import SEAM

@testable import TDXHost

/// The guest's side of a door without firmwares: outcomes are what a test puts in.
extension FakeFirmware: GuestDoor {
  func appendGuestSteps(_ steps: [GuestStep], toVCPU tdvpr: UInt64) { guestSteps[tdvpr, default: []] += steps }

  func takeGuestOutcomes(ofVCPU tdvpr: UInt64) -> [GuestOutcome] {
    defer { guestOutcomes[tdvpr] = nil }
    return guestOutcomes[tdvpr] ?? []
  }

  func forgetGuest(ofVCPU tdvpr: UInt64) {
    guestSteps[tdvpr] = nil
    guestOutcomes[tdvpr] = nil
  }

  /// `TDH.VP.ENTER` leaves with this.
  func exits(_ registers: Registers...) {
    for exit in registers { answer(.vpEnter, .returned(exit)) }
  }
}

/// External interrupt.
let interrupted = Registers(rax: 1)

/// EPT violation at `gpa`.
func fault(_ gpa: UInt64, extended: UInt64 = 0) -> Registers { Registers(rax: 48, rdx: extended, r8: gpa) }

/// TDG.VP.VMCALL of the sub-function `function`.
func vmCall(_ function: UInt64) -> Registers { Registers(rax: 77, rcx: 0xC00, r11: function) }

extension LinuxHost {
  /// A TD `a` that ran once: a vCPU, one measured page.
  mutating func makeRunningTD(_ name: String = "a", door: FakeFirmware) throws {
    try createTD(name, door: door)
    try withTD(name) { (td, host) throws(TDError) in
      try td.addVCPU(host: &host, door: door)
      try td.addPages(at: 0x1000, content: .counting, isMeasured: true, host: &host, door: door)
      try td.finalize(host: &host, door: door)
    }
  }

  /// Runs the vCPU 0 of the TD `name`.
  @discardableResult
  mutating func run(_ name: String = "a", on cpu: Int? = nil, door: FakeFirmware) throws -> VCPUExit {
    try withTD(name) { (td, host) throws(TDError) in try td.run(on: cpu, host: &host, door: door) }
  }

  /// The TD `name`.
  func td(_ name: String = "a") -> TrustDomain? { tds.byName[name] }
}
