/// What `.tdxfs/status` shows: `key=value` lines, always all, `-` for none.
public struct StatusReport: Equatable, Sendable {
  /// The keys in order.
  public static let keys = [
    "power", "abi", "cpu", "module", "seamldr", "remaining_updates", "sys_state", "seam_ready", "lps", "online", "tds",
    "open_builds",
  ]

  /// Values by key; a missing one shows as `-`.
  public var values: [String: String] = [:]

  /// A report of nothing.
  public init() {}

  /// The file's text.
  public var text: String {
    Self.keys.map { "\($0)=\(values[$0] ?? "-")\n" }.joined()
  }
}

/// Kernel list format of CPU numbers: `0-3,5` (`%*pbl`).
public func cpuList(_ cpus: [Int]) -> String {
  var ranges: [(first: Int, last: Int)] = []
  for cpu in cpus {
    if let last = ranges.last, last.last + 1 == cpu {
      ranges[ranges.count - 1].last = cpu
    } else {
      ranges.append((cpu, cpu))
    }
  }
  return ranges.map { $0.first == $0.last ? "\($0.first)" : "\($0.first)-\($0.last)" }.joined(separator: ",")
}
