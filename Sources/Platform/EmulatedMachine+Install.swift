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
    installation = Installation(
      update: ModuleUpdate(image: image, host: host, schedule: schedule(of: updateNumber)))
    trace.note("update-start", [("bytes", .number(image.count)), ("sha384", .text(digest))], time: now)
    lock.unlock()
    return resumeInstallation(boot: boot)
  }

  /// What became of the update of an upload that goes on after it was restored; nil when there is none to go on with.
  func continueInstallation(boot: UInt64) -> ContinuedInstallation? {
    lock.lock()
    guard boot == bootNumber else {
      lock.unlock()
      return nil
    }
    if case .installed(let errno) = milestone {
      lock.unlock()
      return ContinuedInstallation(errno: errno)
    }
    let isUnderWay = installation != nil
    lock.unlock()
    return isUnderWay ? ContinuedInstallation(errno: resumeInstallation(boot: boot)) : nil
  }

  /// Steps the update that is under way to its end.
  func resumeInstallation(boot: UInt64) -> Errno? {
    while true {
      lock.lock()
      guard boot == bootNumber, prepareStep(boot: boot), var installation = takeInstallation() else {
        // The machine was powered on anew meanwhile: there is nobody left to whom the result could matter.
        lock.unlock()
        return .operationNotSupportedByDevice
      }
      silicon.stage = installation.stage
      let step = installation.update.step(host: &host, door: silicon)
      silicon.stage = nil
      installation.isPrepared = false
      guard case .finished(let record) = step else {
        self.installation = installation
        lock.unlock()
        onStep?()
        continue
      }
      if record.errno == nil { pass(.update, .transfer) }
      host.pages.isExhausted = false
      finish(record)
      milestone = .installed(record.errno)
      lock.unlock()
      onStep?()
      idle.wake()
      return record.errno
    }
  }

  /// The update under way, for who changes it and puts it back. `lock` is held.
  private func takeInstallation() -> Installation? {
    defer { installation = nil }
    return installation
  }

  /// What comes before a step: the trace hears of a new state, and plans act that need no SEAMCALL. `lock` is held, but
  /// let go of while time passes. False: the machine was powered on anew meanwhile.
  private func prepareStep(boot: UInt64) -> Bool {
    guard var installation = takeInstallation() else { return false }
    guard !installation.isPrepared else {
      self.installation = installation
      return true
    }
    installation.isPrepared = true
    installation.update.decide(host: &host, door: silicon)
    enterState(&installation)
    self.installation = installation
    guard let next = installation.update.nextCall else { return true }
    let call = FaultCall(leaf: Leaf(rax: next.registers.rax), lp: next.lp, stage: installation.stage)
    return perform(act(at: .beforeCall(call)), boot: boot)
  }

  /// Notices that the CPUs are in another state of the lock step, or have left it.
  private func enterState(_ installation: inout Installation) {
    while installation.update.isInLockStep, installation.update.state != installation.state {
      if let old = installation.stage { pass(old) }
      installation.state = installation.update.state
      installation.stage = FaultPlan.Stage(installation.state)
      trace.note("state", [("state", .text(installation.state.rawValue))], time: now)
      guard let stage = installation.stage else { break }
      for action in act(at: .stage(stage)) {
        guard case .dropLP = action.effect, let lp = lp(of: action) else { continue }
        installation.update.drop(lp, host: &host)
      }
      // A lost LP makes no call, so another one may be next, or another state.
      installation.update.decide(host: &host, door: silicon)
    }
    guard !installation.update.isInLockStep, let last = installation.stage else { return }
    pass(last)
    installation.stage = nil
    trace.note("state", [("state", .text(UpdateState.done.rawValue))], time: now)
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
    installation = nil
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

/// An update under way, with where plans and the trace have last seen it. A value: a copy is a snapshot.
struct Installation: Sendable, Codable {
  var update: ModuleUpdate
  /// The lock-step state.
  var state = UpdateState.start
  /// Its stage; nil outside the lock step.
  var stage: FaultPlan.Stage?
  /// Plans and the trace have seen the next step already.
  var isPrepared = false

  init(update: ModuleUpdate) { self.update = update }
}

/// An update that went on after it was restored.
struct ContinuedInstallation: Sendable {
  /// What the installer gave; nil for success.
  var errno: Errno?
}

/// How much the upload class has been told of the upload that is under way.
enum UploadMilestone: Equatable, Sendable, Codable {
  /// There is none, or nothing was told.
  case none
  /// It has begun.
  case started
  /// The installer has ended with this errno, nil for success, and the upload class has not noticed yet.
  case installed(Errno?)
  /// It has ended, and `status` is about to say idle.
  case ended
}
