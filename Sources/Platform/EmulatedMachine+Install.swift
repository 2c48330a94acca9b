import Basics
import ModuleImage
import SEAM
import SystemPackage
import TDXHost

/// The update itself, on the upload worker.
extension EmulatedMachine {
  /// `seamldr_install_module`: steps the update, with the lock held for one SEAMCALL at a time. A device of an earlier boot
  /// has nothing to install on. Without memory the kernel gets no page.
  func install(_ image: [UInt8], boot: UInt64, hasMemory: Bool = true) -> Errno? {
    let digest = ImageDigest.sha384(image).hexadecimal
    lock.lock()
    guard boot == bootNumber else {
      lock.unlock()
      return .operationNotSupportedByDevice
    }
    isUpdating = true
    freeze()
    silicon.refusals = []
    host.pages.isExhausted = !hasMemory
    updateNumber &+= 1
    var update = ModuleUpdate(image: image, host: host, schedule: schedule(of: updateNumber))
    var progress = InstallProgress()
    trace.note("update-start", [("bytes", .number(image.count)), ("sha384", .text(digest))], time: now)
    while boot == bootNumber {
      update.decide(host: &host, door: silicon)
      guard prepareStep(of: &update, &progress, boot: boot) else { break }
      silicon.stage = progress.stage
      let step = update.step(host: &host, door: silicon)
      silicon.stage = nil
      if case .finished(let record) = step {
        if record.errno == nil { pass(.update, .transfer) }
        host.pages.isExhausted = false
        finish(record)
        lock.unlock()
        onStep?()
        idle.wake()
        return record.errno
      }
      lock.unlock()
      onStep?()
      lock.lock()
    }
    // The machine was powered on anew meanwhile: there is nobody left to whom the result could matter.
    lock.unlock()
    return .operationNotSupportedByDevice
  }

  /// Where an update is, as plans and the trace see it.
  private struct InstallProgress {
    var state = UpdateState.start
    var stage: FaultPlan.Stage?
  }

  /// What comes before a step: the trace hears of a new state, and plans act that need no SEAMCALL. `lock` is held, but
  /// let go of while time passes. False: the machine was powered on anew meanwhile.
  private func prepareStep(
    of update: inout ModuleUpdate, _ progress: inout InstallProgress, boot: UInt64
  ) -> Bool {
    while update.isInLockStep, update.state != progress.state {
      if let old = progress.stage { pass(old) }
      progress.state = update.state
      progress.stage = FaultPlan.Stage(update.state)
      trace.note("state", [("state", .text(update.state.rawValue))], time: now)
      guard let stage = progress.stage else { break }
      for action in act(at: .stage(stage)) {
        guard case .dropLP = action.effect, let lp = lp(of: action) else { continue }
        update.drop(lp, host: &host)
      }
      // A lost LP makes no call, so another one may be next, or another state.
      update.decide(host: &host, door: silicon)
    }
    if !update.isInLockStep, let last = progress.stage {
      pass(last)
      progress.stage = nil
      trace.note("state", [("state", .text(UpdateState.done.rawValue))], time: now)
    }
    guard let next = update.nextCall else { return true }
    let call = FaultCall(leaf: Leaf(rax: next.registers.rax), lp: next.lp, stage: progress.stage)
    return perform(act(at: .beforeCall(call)), boot: boot)
  }

  private func schedule(of number: UInt64) -> UpdateSchedule {
    if let scheduleOverride { return scheduleOverride(number) }
    switch options.order {
    case .ascending: return .ascending
    case .seed: return UpdateSchedule(seed: seed &+ number &* 0x9E37_79B9_7F4A_7C15)
    }
  }

  /// The power goes in the middle of an update. `lock` is held.
  func abandonUpdate(at event: PowerEvent) {
    whyReport = Why(
      sentence:
        "the machine was given \(event.rawValue == "kexec" ? "another kernel" : "a power cycle") in the middle of an "
        + "update, which ended there", result: "-", next: event == .kexec ? "reboot (echo reboot > .tdxfs/power)" : "-")
    confess()
    trace.note("update-end", [("result", .text("abandoned")), ("power", .text(event.rawValue))], time: now)
    isUpdating = false
  }

  /// Publishes the end of an update. `lock` is held.
  private func finish(_ record: UpdateRecord) {
    whyReport = explain(record)
    confess()
    trace.note(
      "update-end",
      [
        ("result", .text(whyReport.result)), ("stage", .text(whyReport.stage ?? "-")),
        ("lost", .text(whyReport.lost.rawValue)),
      ], time: now)
    silicon.refusals = []
    isUpdating = false
    thaw()
  }
}
