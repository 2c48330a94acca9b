import Kernfs
import Platform
import SystemPackage

/// A fresh machine on which a recorded run is done again.
public protocol ReplayTarget {
  /// Does `step`. What it gives is no matter: failures are in the trace.
  func perform(_ step: Recording.Step)
  /// Whether no upload runs.
  var isIdle: Bool { get }
  /// How many records the trace has.
  func recordCount() throws(ReplayError) -> Int
  /// The trace.
  func trace() throws(ReplayError) -> [UInt8]
}

/// Why a replay could not be made, in one line for people.
public struct ReplayError: Error, Equatable, CustomStringConvertible, Sendable {
  /// What is wrong and what to do.
  public let description: String

  /// The refusal `description`.
  public init(_ description: String) {
    self.description = description
  }
}

/// Where a replayed run first differs from the recorded one.
public struct ReplayDifference: Equatable, Sendable {
  /// Number of the record, from 1.
  public var record: Int
  /// The recorded line; nil when the recording has ended.
  public var recorded: String?
  /// The line of the replay; nil when it has ended.
  public var replayed: String?
}

extension Recording {
  /// Does the run again on `target` and gives the first difference; nil when all is the same to the byte, or, where
  /// time is real, to the byte but for times. `pause` is called while something is waited for.
  public func replay(
    on target: some ReplayTarget, pause: () -> Void
  ) throws(ReplayError) -> ReplayDifference? {
    for step in steps {
      try wait(for: step.index, isBetweenUploads: step.isBetweenUploads, target, pause)
      target.perform(step)
    }
    try wait(for: lines.count, isBetweenUploads: endsIdle, target, pause)
    return difference(from: try target.trace())
  }

  /// Waits until the machine is where the recorded one was: idle between two uploads, or as many records on.
  private func wait(
    for records: Int, isBetweenUploads: Bool, _ target: some ReplayTarget, _ pause: () -> Void
  ) throws(ReplayError) {
    while !target.isIdle {
      if !isBetweenUploads, try target.recordCount() >= records { return }
      pause()
    }
  }

  /// Where `trace` first differs.
  func difference(from trace: [UInt8]) -> ReplayDifference? {
    let replayed = trace.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    let comparesTimes = options.clock == .virtual
    for index in 0..<max(lines.count, replayed.count) {
      let left = index < lines.count ? lines[index] : nil
      let right = index < replayed.count ? replayed[index] : nil
      let isSame = comparesTimes ? left == right : left.map(Self.withoutTimes) == right.map(Self.withoutTimes)
      if !isSame { return ReplayDifference(record: index + 1, recorded: left, replayed: right) }
    }
    return nil
  }

  /// `line` without the values of `t` and `dur`, which stand at its beginning.
  private static func withoutTimes(_ line: String) -> Substring {
    var rest = line[...]
    for prefix in ["{\"t\":", "\"dur\":"] where rest.hasPrefix(prefix) {
      rest = rest.dropFirst(prefix.count).drop { $0.isNumber }.drop { $0 == "," }
    }
    return rest
  }
}
