import SEAM
import SystemPackage
import TDXHost

/// How fault plans act in the kernel, and what is told of them.
extension EmulatedMachine {
  /// The upload worker begins `stage`, one of those of the upload class. False: the kernel gets no pages in it.
  @discardableResult
  func enter(_ stage: FaultPlan.Stage, boot: UInt64) -> Bool {
    lock.lock()
    defer { lock.unlock() }
    guard boot == bootNumber else { return true }
    let actions = act(at: .stage(stage))
    guard perform(actions, boot: boot) else { return true }
    for action in actions {
      guard case .dropLP = action.effect, let lp = lp(of: action) else { continue }
      host.drop(lp)
    }
    return !actions.contains { $0.effect == .noMemory }
  }

  /// The upload worker has left `stage` for the next.
  func leave(_ stage: FaultPlan.Stage) { faults.withLock { $0.passed(stage) } }

  /// Whether the upload class gets pages in `stage`. Called with locks of the upload device held.
  func hasPages(in stage: FaultPlan.Stage) -> Bool {
    faults.withLock { $0.actions(at: .allocation(stage)).isEmpty }
  }

  /// What acts at `moment`, told to the trace. `lock` is held.
  func act(at moment: FaultMoment) -> [FaultTable.Action] {
    let actions = faults.withLock { $0.actions(at: moment) }
    for action in actions { trace.note("fault", [("plan", .text(action.plan))], time: now) }
    return actions
  }

  /// Does what lets time pass, or ends it. `lock` is held, but let go of meanwhile. False: the boot `boot` is over.
  func perform(_ actions: [FaultTable.Action], boot: UInt64) -> Bool {
    for action in actions {
      switch action.effect {
      case .delay(let duration):
        // Who takes the plan away ends it: so a stage can be held for as long as something else takes.
        let identity = faults.withLock { $0[action.plan]?.identity }
        lock.unlock()
        clock.wait(duration) {
          faults.withLock { $0[action.plan]?.identity } != identity || self.lock.withLock { boot != bootNumber }
        }
        lock.lock()
      case .powerLoss:
        lock.unlock()
        // Power-on with these options has worked before, so there is nothing that could be refused.
        _ = try? power(.reboot)
        lock.lock()
      case .answer, .vmFailInvalid, .busy, .noEntropy, .corruptHandoff, .badPage, .dropLP, .noMemory: continue
      }
      guard boot == bootNumber else { return false }
    }
    return true
  }

  /// The LP that a plan names.
  func lp(of action: FaultTable.Action) -> Int? { faults.withLock { $0[action.plan]?.plan?.lp } }

  /// The upload has left these stages.
  func pass(_ stages: FaultPlan.Stage...) {
    faults.withLock { table in
      for stage in stages { table.passed(stage) }
    }
  }

  /// `why` says when plans had their hands in it. `lock` is held.
  func confess() {
    guard let confession = faults.withLock({ $0.confession }) else { return }
    whyReport.sentence += " (\(confession))"
  }
}

/// `.tdxfs/fault/`.
extension EmulatedMachine {
  /// The plans, in the order in which they were made.
  public func faultPlans() -> [FaultTable.Entry] { faults.withLock { $0.entries } }

  /// All plans with their counts, as a value: for who saves or restores a machine.
  public var faultTable: FaultTable {
    get { faults.withLock { $0 } }
    set { faults.withLock { $0 = newValue } }
  }

  /// The plan `name`; nil when there is none.
  public func faultPlan(_ name: String) -> FaultTable.Entry? { faults.withLock { $0[name] } }

  /// Makes the file of the plan `name`, which does nothing until it is written.
  public func createFault(_ name: String) throws(ControlError) {
    guard name.utf8.count <= 64, name.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7F }) else {
      throw .invalid("fault: a plan's name has at most 64 bytes, without white space and control characters")
    }
    let isNew = faults.withLock { $0.create(name) }
    guard isNew else { throw .refused(.fileExists, "fault/\(name): there is such a plan already") }
  }

  /// Makes `line` the plan `name`. A refused line leaves an older plan as it is, and no file where there was none.
  public func setFault(_ name: String, to line: String) throws(ControlError) {
    do throws(FaultPlanError) {
      let plan = try FaultPlan(line: line, lps: options.lps)
      faults.withLock { $0.set(plan, for: name) }
    } catch {
      dropUnwrittenFault(name)
      throw .invalid("fault/\(name): \(error)")
    }
  }

  /// Takes `name` away unless it is a plan already: what was made for a line that is none is not left behind.
  public func dropUnwrittenFault(_ name: String) {
    faults.withLock { table in
      if table[name]?.plan == nil { table.remove(name) }
    }
  }

  /// Takes the plan `name` away.
  public func removeFault(_ name: String) throws(ControlError) {
    guard faults.withLock({ $0.remove(name) }) else {
      throw .refused(.noSuchFileOrDirectory, "fault/\(name): there is no such plan")
    }
  }
}
