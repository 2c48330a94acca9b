import Kernfs

/// What a client did in one scenario, and what was true.
struct ClientRun {
  /// The client's operations, and the machine's events among them.
  var operations: [WatchedOperation]
  /// Its exit status.
  var status: Int32
  /// It did not end by itself: what it left undone is not its fault.
  var wasStopped: Bool
  /// The version that it was to install, and the one that runs now.
  var wanted: String
  var installed: String
  /// `loading` reads 1 afterwards.
  var loadingAfter: Bool
  /// CPUs were offline when it started.
  var isOffline: Bool
  /// No updates remained when it started.
  var hasNoUpdates: Bool
  /// What the last upload lost.
  var lost: String
  /// The machine went away under it, or has no upload device: nobody could have done better.
  var hasVanished: Bool
}

/// Judges a client by what it did with the machine's files, and by its exit status.
struct HabitJudge {
  /// A session of the client's, from `loading=1` on.
  private struct Session {
    /// The end of what it wanted to write, and of what was taken.
    var wanted = 0
    var taken = 0
    var shortWrite: WatchedOperation?
    var isCommitted = false
    var commit = 0
    /// The kernel took the image.
    var isUploaded = false
    var result: String?
    var lost = "none"
    var sawIdle = false
    var lastStatus: String?
    var sawError = false
    /// The device failed under it.
    var hasVanished = false
  }

  private let run: ClientRun
  private var sessions: [Session] = []
  private var isLoading = false
  private var dataBefore: WatchedOperation?
  private var busyRead: WatchedOperation?
  private var hasDataAfter = false

  /// A finding for each habit.
  static func judge(_ run: ClientRun) -> [Finding] {
    var judge = HabitJudge(run: run)
    for operation in run.operations { judge.take(operation) }
    return Habit.allCases.map { judge.finding($0) }
  }

  private init(run: ClientRun) { self.run = run }

  // MARK: What happened

  private mutating func take(_ operation: WatchedOperation) {
    switch operation.event {
    case .write(.loading): if operation.moved != nil { wroteLoading(operation) }
    case .write(.data): wroteData(operation)
    case .read(.status):
      change { session in
        session.lastStatus = operation.error ?? (operation.text.isEmpty ? session.lastStatus : operation.shown)
        if operation.shown == "idle" { session.sawIdle = true }
        if operation.error != nil { session.hasVanished = true }
      }
    case .read(.error):
      if operation.error == "EBUSY" { busyRead = busyRead ?? operation }
      if operation.moved != nil { change { $0.sawError = true } }
    case .upload: change { $0.isUploaded = true }
    case .uploadEnded(let result, let lost): change { ($0.result, $0.lost) = (result, lost) }
    case .power: change { $0.hasVanished = true }
    case .open, .read, .write, .close, .nothingStaged, .other: return
    }
  }

  private mutating func change(_ body: (inout Session) -> Void) {
    guard let index = sessions.indices.last, sessions[index].isCommitted else { return }
    body(&sessions[index])
  }

  private mutating func wroteLoading(_ operation: WatchedOperation) {
    switch KernelText.integer(operation.text) {
    case 1:
      if isLoading { sessions.removeLast() }
      sessions.append(Session())
      isLoading = true
    case 0 where isLoading:
      sessions[sessions.count - 1].isCommitted = true
      sessions[sessions.count - 1].commit = operation.number
      isLoading = false
    default:
      if isLoading { sessions.removeLast() }
      isLoading = false
    }
  }

  private mutating func wroteData(_ operation: WatchedOperation) {
    guard let moved = operation.moved, moved > 0 else { return }
    guard isLoading, let index = sessions.indices.last else {
      dataBefore = dataBefore ?? operation
      return
    }
    hasDataAfter = true
    sessions[index].wanted = max(sessions[index].wanted, operation.offset &+ operation.asked)
    sessions[index].taken = max(sessions[index].taken, operation.offset &+ moved)
    if moved < operation.asked { sessions[index].shortWrite = operation }
  }

  // MARK: What to think of it

  private var commits: [Session] { sessions.filter(\.isCommitted) }

  private func finding(_ habit: Habit) -> Finding {
    func guilty(_ evidence: String) -> Finding { Finding(habit, .guilty, evidence) }
    func innocent(_ evidence: String) -> Finding { Finding(habit, .innocent, evidence) }
    let notSeen = Finding(habit, .notSeen, "-")
    switch habit {
    case .shortWrite:
      if let session = commits.first(where: { $0.shortWrite != nil && $0.taken < $0.wanted }),
        let write = session.shortWrite
      {
        return guilty(
          "write of \(write.asked) bytes to data at \(write.offset) gave \(write.moved ?? 0), and loading=0 came when only "
            + "\(session.taken) bytes were there")
      }
      return commits.contains { $0.shortWrite != nil } ? innocent("it went on after each short write") : notSeen
    case .dataBeforeLoading:
      if let dataBefore { return guilty("\(dataBefore.asked) bytes were written to data while loading was 0") }
      return hasDataAfter ? innocent("data was written after loading=1") : notSeen
    case .noWait: return waiting(guilty, innocent, notSeen)
    case .errorUnread:
      guard !run.wasStopped else { return notSeen }
      let ended = commits.filter { $0.result != nil && !$0.hasVanished && !gaveUp($0) }
      if ended.contains(where: { !$0.sawError }) { return guilty("an upload ended, and error was not read after it") }
      return ended.isEmpty ? notSeen : innocent("error was read after the upload")
    case .errorWhileBusy:
      if busyRead != nil { return guilty("a read of error gave EBUSY: the upload still ran") }
      return commits.contains { $0.sawError } ? innocent("error was read when the upload had ended") : notSeen
    case .retriedLoss: return retryAfterLoss(guilty, innocent, notSeen)
    case .busyNotRetried:
      guard !run.wasStopped, let first = commits.firstIndex(where: { $0.result?.hasSuffix(":device-busy") == true })
      else { return notSeen }
      return first + 1 < commits.count
        ? innocent("device-busy was followed by another upload")
        : guilty("the upload ended with device-busy, and there was no other")
    case .unchangedBelieved:
      guard !run.wasStopped, !run.hasVanished, let last = commits.last, !last.hasVanished, run.installed != run.wanted,
        last.result == "success" || !last.isUploaded, !gaveUp(last)
      else { return notSeen }
      let happened = "no error was told, and the module is \(run.installed), not \(run.wanted)"
      return run.status == 0
        ? guilty("\(happened); exit status 0") : innocent("\(happened); exit status \(run.status)")
    case .loadingLeft:
      guard !run.wasStopped, !run.hasVanished, !sessions.isEmpty || hasDataAfter else { return notSeen }
      return isLoading && run.loadingAfter
        ? guilty("loading reads 1 after the client's end") : innocent("loading reads 0 after the client's end")
    case .offlineUnchecked:
      guard run.isOffline else { return notSeen }
      return commits.contains { $0.isUploaded }
        ? guilty("an image was uploaded, and \(looked { if case .cpus = $0 { true } else { false } })")
        : innocent("nothing was uploaded while a CPU was offline")
    case .updatesUnchecked:
      guard run.hasNoUpdates, !run.hasVanished else { return notSeen }
      return commits.contains { $0.isUploaded }
        ? guilty("an image was uploaded, and \(looked { $0 == .remainingUpdates })")
        : innocent("nothing was uploaded when no updates remained")
    case .failureUntold: return exitStatus(guilty, innocent, notSeen)
    }
  }

  /// The client stopped waiting, and says so by its exit status.
  private func gaveUp(_ session: Session) -> Bool { !session.sawIdle && session.lastStatus != nil && run.status != 0 }

  private func waiting(
    _ guilty: (String) -> Finding, _ innocent: (String) -> Finding, _ notSeen: Finding
  ) -> Finding {
    guard !run.wasStopped else { return notSeen }
    let uploads = commits.filter { $0.isUploaded && !$0.hasVanished }
    if let session = uploads.first(where: { !$0.sawIdle && !gaveUp($0) }) {
      return guilty(
        session.lastStatus.map { "the last status that it read is \($0)" } ?? "status was not read after loading=0")
    }
    return uploads.isEmpty ? notSeen : innocent("status was read until it was idle, or the client gave up and failed")
  }

  private func retryAfterLoss(
    _ guilty: (String) -> Finding, _ innocent: (String) -> Finding, _ notSeen: Finding
  ) -> Finding {
    guard let first = commits.firstIndex(where: { $0.lost != "none" && $0.lost != "-" }) else { return notSeen }
    return first + 1 < commits.count && !commits[first].hasVanished
      ? guilty("TDX was lost (\(commits[first].result ?? "-")), and another upload followed")
      : innocent("TDX was lost, and no upload followed")
  }

  private func exitStatus(
    _ guilty: (String) -> Finding, _ innocent: (String) -> Finding, _ notSeen: Finding
  ) -> Finding {
    guard !run.wasStopped else { return notSeen }
    let failure: String
    if let last = commits.last, last.isUploaded {
      guard let result = last.result, result != "success" else { return notSeen }
      failure = "the upload ended with \(result)"
    } else {
      guard commits.isEmpty, run.installed != run.wanted else { return notSeen }
      failure = "nothing was uploaded, and the module is \(run.installed), not \(run.wanted)"
    }
    return run.status == 0 ? guilty("\(failure); exit status 0") : innocent("\(failure); exit status \(run.status)")
  }

  /// Whether the client had a look at a file.
  private func looked(_ isMeant: (WatchedFile) -> Bool) -> String {
    let names = run.operations.compactMap { operation -> String? in
      guard case .read(let file) = operation.event, isMeant(file) else { return nil }
      return file.name
    }
    return names.first.map { "\($0) had been read" } ?? "no file that tells it was read"
  }
}
