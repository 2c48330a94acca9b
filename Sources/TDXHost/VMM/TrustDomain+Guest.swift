import SEAM
import SystemPackage

/// Software inside the TD, as far as the monitor can have it do something.
extension TrustDomain {
  /// TDG.VP.VMCALLs on the way that are answered and gone on from.
  private static let vmCallsOnTheWay = 64

  /// Has the software of the vCPU `number` do `steps`, and gives what came of those that were done. Steps that were given to
  /// it before come first, and their outcomes are left out.
  ///
  /// A run that `endsAtVMCall` ends at the first TDG.VP.VMCALL; its outcome comes with the next run.
  /// - Throws: as ``run(vcpu:on:host:door:)``; EIO when the vCPU left for good.
  public mutating func runGuest(
    _ steps: [GuestStep], vcpu number: Int = 0, on cpu: Int? = nil, endsAtVMCall: Bool = false,
    host: inout LinuxHost, door: some SEAMCALLDoor & GuestDoor
  ) throws(TDError) -> [GuestOutcome] {
    let index = try runnable(number)
    if let cpu { _ = try host.requireOnline(cpu) }
    let tdvpr = vcpus[index].tdvpr
    let earlier = vcpus[index].pendingSteps
    door.appendGuestSteps(steps, toVCPU: tdvpr)
    vcpus[index].pendingSteps += steps.count
    var outcomes: [GuestOutcome] = []
    var vmCalls = 0
    repeat {
      let exit = try run(vcpu: number, on: cpu, host: &host, door: door)
      let seen = door.takeGuestOutcomes(ofVCPU: tdvpr)
      outcomes += seen
      vcpus[index].pendingSteps = max(0, vcpus[index].pendingSteps - seen.count)
      switch exit.kind {
      case .vmCall:
        vmCalls += 1
        if endsAtVMCall { return Array(outcomes.dropFirst(earlier)) }
      case .internalError:
        throw TDError(.ioError, "vCPU \(number) of TD \(name) can't run: TDH.VP.ENTER gave \(exit.statusText)")
      case .blockedAccess(let gpa):
        if let bug { throw TDError(.ioError, "TD \(name) is dead: \(bug)") }
        throw TDError(.ioError, "vCPU \(number) of TD \(name) waits for its page \(gpa.hex), which is blocked")
      case .sharedAccess(let gpa):
        throw TDError(.ioError, "vCPU \(number) of TD \(name) touched the shared address \(gpa.hex): nothing is there")
      case .shutdown:
        throw TDError(.ioError, "vCPU \(number) of TD \(name) made a triple fault (KVM_EXIT_SHUTDOWN)")
      case .externalInterrupt, .other:
        // A long list of steps is interrupted on the way; a vCPU that gets nowhere has something else to do.
        if seen.isEmpty { return Array(outcomes.dropFirst(earlier)) }
      }
    } while vcpus[index].pendingSteps > 0 && vmCalls < Self.vmCallsOnTheWay
    return Array(outcomes.dropFirst(earlier))
  }
}

extension VCPUExit {
  /// Name and value of the status.
  public var statusText: String {
    SEAMCALLFailure(lp: lp, registers: registers, result: result, errno: .ioError).statusText
  }
}
