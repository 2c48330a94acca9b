import ModuleImage
import SEAM
import SystemPackage

/// Looks for broken invariants in what was seen of an update. Knows nothing of how updates are made: only SEAMCALLs and
/// what readers saw.
struct ExploreJudge {
  let evidence: ExploreEvidence
  private(set) var findings: [String] = []

  /// The invariants that `evidence` breaks, each in one sentence.
  static func findings(in evidence: ExploreEvidence) -> [String] {
    var judge = ExploreJudge(evidence: evidence)
    judge.judgeCalls()
    judge.judgeGlimpses()
    if evidence.isRebooted { judge.judgeReboot() } else { judge.judgeOutcome() }
    return judge.findings
  }

  private init(evidence: ExploreEvidence) { self.evidence = evidence }

  private mutating func find(_ isBroken: Bool, _ sentence: String) {
    if isBroken { findings.append(sentence) }
  }

  // MARK: The lock step

  /// The states of the lock step, as SEAMCALLs tell them.
  private enum Phase: Int, Comparable {
    case before
    case shutdown
    case install
    case initialise
    case update

    static func < (left: Phase, right: Phase) -> Bool { left.rawValue < right.rawValue }
  }

  /// The phase that a call of `leaf` belongs to, made in `current`; nil for one that no update makes there.
  private static func phase(of leaf: Leaf, in current: Phase) -> Phase? {
    switch (leaf, current) {
    case (.loader(.info), .before): .before
    case (.module(.sysRD), .before), (.module(.sysRD), .shutdown): .before
    case (.module(.sysShutdown), _): .shutdown
    case (.loader(.install), _): .install
    case (.module(.sysInit), _), (.module(.sysLPInit), _): .initialise
    case (.module(.sysUpdate), _), (.module(.sysRD), .update), (.loader(.info), .update): .update
    case (.module, _), (.loader, _), (.unknown, _): nil
    }
  }

  /// Whether the kernel's wrapper repeats the call, so that this is not its last word.
  private func isRetried(_ call: ExploreEvidence.Call) -> Bool {
    switch call.leaf {
    case .module: call.status == CompletionStatus.rndNoEntropy.rawValue
    case .loader: evidence.retriesLoader && call.status == CompletionStatus.noEntropy.rawValue
    case .unknown: false
    }
  }

  private mutating func judgeCalls() {
    var phase = Phase.before
    var done: [Phase: Set<Int>] = [:]
    var failed: Phase?
    for (index, call) in evidence.calls.enumerated() {
      guard let next = Self.phase(of: call.leaf, in: phase) else {
        find(true, "SEAMCALL \(index + 1), \(call.leaf.name) on LP \(call.lp), is none of the update's")
        continue
      }
      if next > phase {
        if let failed {
          find(true, "\(call.leaf.name) on LP \(call.lp) was called though a step of state \(failed) had failed")
        }
        judgeEntry(to: next, by: call, from: phase, done)
        phase = next
      } else if next < phase, !(next == .before && phase == .shutdown) {
        find(true, "\(call.leaf.name) on LP \(call.lp) was called after the state of \(phase) was entered")
      }
      if isRetried(call) { continue }
      let isPerLP = call.leaf == .loader(.install) || call.leaf == .module(.sysLPInit)
      if isPerLP, call.isSuccess {
        let isNew = done[next, default: []].insert(call.lp).inserted
        find(!isNew, "LP \(call.lp) made \(call.leaf.name) twice")
      }
      // A failed read of the version is no failed step.
      if !call.isSuccess, call.leaf != .module(.sysRD), call.leaf != .loader(.info) { failed = failed ?? next }
      if call.leaf == .module(.sysShutdown), call.isSuccess { done[.shutdown] = [call.lp] }
      if call.leaf == .module(.sysUpdate), call.isSuccess { done[.update] = [call.lp] }
    }
    if evidence.error == nil, !evidence.isRebooted {
      find(phase != .update, "the kernel told of success, and TDH.SYS.UPDATE was never called")
    }
  }

  /// Nobody enters a state before all online LPs have done their step of the one before.
  private mutating func judgeEntry(
    to next: Phase, by call: ExploreEvidence.Call, from phase: Phase, _ done: [Phase: Set<Int>]
  ) {
    let online = Set(evidence.after.online)
    func missing(_ phase: Phase) -> [Int] { online.subtracting(done[phase] ?? []).sorted() }
    switch next {
    case .before, .shutdown: break
    case .install:
      find((done[.shutdown] ?? []).isEmpty, "SEAMLDR.INSTALL was called without a TDH.SYS.SHUTDOWN before it")
    case .initialise:
      let late = missing(.install)
      find(!late.isEmpty, "LP \(call.lp) went on to \(call.leaf.name) before SEAMLDR.INSTALL on LPs \(cpuList(late))")
    case .update:
      let late = missing(.initialise)
      find(!late.isEmpty, "LP \(call.lp) went on to \(call.leaf.name) before TDH.SYS.LP.INIT on LPs \(cpuList(late))")
    }
  }

  // MARK: Readers

  private mutating func judgeGlimpses() {
    for glimpse in evidence.glimpses {
      guard glimpse.version != evidence.before.version else { continue }
      find(true, "in the middle of the update version read \(Self.text(glimpse.version))")
      break
    }
    for glimpse in evidence.glimpses {
      guard glimpse.remaining != .success(evidence.before.remaining) else { continue }
      find(true, "in the middle of the update num_remaining_updates read \(Self.text(glimpse.remaining))")
      break
    }
  }

  // MARK: The end (kernel-abi.md 5.4, tdx-module.md 3.10)

  private mutating func judgeReboot() {
    let (before, after) = (evidence.before, evidence.after)
    find(after.sysState != .ready || !after.isReady, "after the power cycle the module is in \(after.sysState.name)")
    find(after.version != before.version, "after the power cycle version reads \(Self.text(after.version))")
    find(after.remaining != before.remaining, "after the power cycle \(after.remaining) updates remain")
  }

  private mutating func judgeOutcome() {
    let (before, after) = (evidence.before, evidence.after)
    let spent = Int(before.remaining) - Int(after.remaining)
    find(
      spent != after.loads - before.loads,
      "\(after.loads - before.loads) modules were installed, and num_remaining_updates went from \(before.remaining) to "
        + "\(after.remaining)")
    let works = after.isReady && after.sysState == .ready
    switch (evidence.error, after.version) {
    case (nil, let version):
      find(!works, "the kernel told of success, and the module is in \(state(of: after))")
      find(
        after.resident != evidence.target,
        "the kernel told of success, and module \(after.resident?.description ?? "-") runs, not \(evidence.target)")
      judgeVersion(version)
      find(!lostTDs.isEmpty, "the kernel told of success, and TDs are lost: \(lostTDs.joined(separator: ", "))")
    case (let error?, .success):
      // Nothing happened, the kernel says.
      find(
        after.version != before.version,
        "the kernel told of \(error), and version changed to \(Self.text(after.version))")
      find(!works, "the kernel told of \(error), version can be read, and the module is in \(state(of: after))")
      find(
        after.loads != before.loads || after.resident != before.resident,
        "the kernel told of \(error), version can be read, and a module was installed")
      find(
        after.keepsakes != before.keepsakes,
        "the kernel told of \(error), version can be read, and the module's state changed: "
          + zip(before.keepsakes, after.keepsakes).filter { $0 != $1 }.map { "\($0) → \($1)" }.joined(separator: ", "))
      find(
        !lostTDs.isEmpty,
        "the kernel told of \(error), version can be read, and TDs are lost: \(lostTDs.joined(separator: ", "))")
      find(evidence.lost != .none, "version can be read, and why says lost=\(evidence.lost.rawValue)")
    case (let error?, .failure(let errno)):
      find(errno != .noSuchAddressOrDevice, "the kernel told of \(error), and version gives \(errno) in place of ENXIO")
      find(works, "the kernel told of \(error) and gave up the module, which is in SYS_READY")
      find(
        evidence.lost == .none && (try? before.version.get()) != nil, "version gives ENXIO, and why says lost=none")
    }
  }

  private var lostTDs: [String] { evidence.before.tds.filter { !evidence.after.tds.contains($0) } }

  /// After success `version` is the new one, or, where it could not be read again, the old one.
  private mutating func judgeVersion(_ version: Result<ModuleVersion, Errno>) {
    var isUpdated = false
    var couldNotRead = false
    for call in evidence.calls {
      if call.leaf == .module(.sysUpdate), call.isSuccess { isUpdated = true }
      if isUpdated, call.leaf == .module(.sysRD), !call.isSuccess { couldNotRead = true }
    }
    let isNew = version == .success(evidence.target)
    let isStale = couldNotRead && version == evidence.before.version
    find(
      !isNew && !isStale, "the update to \(evidence.target) ended with success, and version reads \(Self.text(version))"
    )
  }

  private func state(of facts: ExploreEvidence.Facts) -> String {
    facts.isReady ? facts.sysState.name : "no state (SEAM_READY is 0)"
  }

  private static func text<Value>(_ result: Result<Value, Errno>) -> String {
    switch result {
    case .success(let value): "\(value)"
    case .failure(let errno): "\(errno)"
    }
  }
}
