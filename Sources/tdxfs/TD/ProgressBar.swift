import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// A bar on standard error, drawn when that is a terminal and the work is long.
struct ProgressBar {
  private static let width = 40
  /// Work of fewer pieces is over before anybody has read the bar.
  private static let shortest = 1024

  private let what: String
  private let isTerminal = isatty(2) == 1
  private var drawn = -1

  /// A bar for `what`.
  init(_ what: String) { self.what = what }

  /// `done` of `total` pieces are done.
  mutating func show(_ done: Int, of total: Int) {
    guard isTerminal, total >= Self.shortest else { return }
    let share = min(Self.width, done.multipliedReportingOverflow(by: Self.width).partialValue / total)
    guard share != drawn else { return }
    drawn = share
    let bar = String(repeating: "#", count: share) + String(repeating: ".", count: Self.width - share)
    Output.note("\r\(what) [\(bar)] \(done)/\(total)")
    if done >= total { Output.note("\n") }
  }

  /// Leaves the line of a bar that will not get to its end.
  mutating func giveUp() {
    if drawn >= 0, drawn < Self.width { Output.note("\n") }
    drawn = Self.width
  }
}
