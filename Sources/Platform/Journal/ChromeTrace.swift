import Basics
import SEAM

/// A trace in Chrome's trace event format, which Perfetto opens: one process a boot; in it a lane with the uploads, one with
/// the lock-step states, and one for each CPU, on which every SEAMCALL is a slice.
///
/// | `ph` | what | fields |
/// |---|---|---|
/// | `M` | names and order of processes and lanes | `name`, `pid`, `tid`, `args` |
/// | `X` | a slice: a SEAMCALL (`cat` seamcall), a lock-step state (lock-step), an upload (upload) | `name`, `cat`, `ts`, `dur` (µs), `pid`, `tid`, `args` |
/// | `i` | a moment: what a client wrote or the upload class said, and where a fault plan acted (`cat` event, fault) | `name`, `cat`, `ts`, `pid`, `tid`, `s`, `args` |
///
/// Boots follow each other on the time line: the first record of a boot is where the last of the one before ended.
public struct ChromeTrace {
  /// Lane of uploads and events.
  static let uploadLane = 0
  /// Lane of the lock-step states.
  static let stateLane = 1
  /// Lane of CPU 0; the others follow.
  static let firstCPULane = 2

  private struct OpenSlice {
    var name: String
    var begin: Int
  }

  private var events: [String] = []
  private var pid = 0
  /// Where the boot begins on the time line.
  private var base = 0
  /// The end of what was seen so far.
  private var end = 0
  private var lanes: Set<Int> = []
  private var state: OpenSlice?
  private var upload: OpenSlice?

  /// The trace of `lines`, each a record of `.tdxfs/trace`.
  public init(lines: [JSONValue]) {
    for line in lines { add(line) }
    closeState(at: end)
    closeUpload(at: end, result: "-")
  }

  /// The JSON text.
  public var text: String {
    "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n\(events.joined(separator: ",\n"))\n]}\n"
  }

  private mutating func add(_ line: JSONValue) {
    guard let kind = line["event"]?.string, let time = line["t"]?.integer else { return }
    if pid == 0 || kind == "power-on" || kind == "kexec" { beginBoot(line, time: time) }
    let at = Self.sum(base, time)
    end = max(end, Self.sum(at, line["dur"]?.integer ?? 0))
    switch kind {
    case "seamcall": addCall(line, at: at)
    case "state":
      closeState(at: at)
      let name = line["state"]?.string ?? "-"
      if name != "DONE" { state = OpenSlice(name: name, begin: at) }
    case "upload":
      closeUpload(at: at, result: "-")
      upload = OpenSlice(name: "upload of \(line["bytes"]?.integer ?? 0) bytes", begin: at)
    case "update-end":
      closeState(at: at)
      addMoment(line, kind: kind, at: at)
    case "upload-end": closeUpload(at: at, result: line["result"]?.string ?? "-")
    case "image": break
    default: addMoment(line, kind: kind, at: at)
    }
  }

  private mutating func beginBoot(_ line: JSONValue, time: Int) {
    closeState(at: end)
    closeUpload(at: end, result: "-")
    pid += 1
    base = end
    lanes = []
    let abi = line["abi"]?.string ?? "-"
    metadata(
      "process_name", tid: 0, "\"name\":\(Self.quoted("boot \(pid): \(abi), module \(line["module"]?.string ?? "-")"))")
    metadata("process_sort_index", tid: 0, "\"sort_index\":\(pid)")
    lane(Self.uploadLane, name: "uploads")
    lane(Self.stateLane, name: "lock step")
  }

  private mutating func lane(_ tid: Int, name: String) {
    guard lanes.insert(tid).inserted else { return }
    metadata("thread_name", tid: tid, "\"name\":\(Self.quoted(name))")
    metadata("thread_sort_index", tid: tid, "\"sort_index\":\(tid)")
  }

  private mutating func metadata(_ name: String, tid: Int, _ args: String) {
    events.append("{\"ph\":\"M\",\"name\":\"\(name)\",\"pid\":\(pid),\"tid\":\(tid),\"args\":{\(args)}}")
  }

  private mutating func slice(
    _ name: String, category: String, from begin: Int, duration: Int, tid: Int, args: [(String, JSONValue)]
  ) {
    events.append(
      "{\"ph\":\"X\",\"name\":\(Self.quoted(name)),\"cat\":\"\(category)\",\"ts\":\(begin),\"dur\":\(max(0, duration)),"
        + "\"pid\":\(pid),\"tid\":\(tid),\"args\":\(Self.object(args))}")
  }

  private mutating func addCall(_ line: JSONValue, at begin: Int) {
    let lp = max(0, min(line["lp"]?.integer ?? 0, 1 << 16))
    lane(Self.firstCPULane + lp, name: "CPU \(lp)")
    slice(
      line["leaf"]?.string ?? "-", category: "seamcall", from: begin, duration: line["dur"]?.integer ?? 0,
      tid: Self.firstCPULane + lp,
      args: ["lp", "status", "in", "out", "fault"].compactMap { name in line[name].map { (name, $0) } })
  }

  private mutating func addMoment(_ line: JSONValue, kind: String, at time: Int) {
    guard case .object(let members) = line else { return }
    let args = members.filter { $0.name != "t" && $0.name != "event" }.map { ($0.name, $0.value) }
    events.append(
      "{\"ph\":\"i\",\"name\":\(Self.quoted(kind)),\"cat\":\"\(kind == "fault" ? "fault" : "event")\",\"ts\":\(time),"
        + "\"pid\":\(pid),\"tid\":\(Self.uploadLane),\"s\":\"t\",\"args\":\(Self.object(args))}")
  }

  private mutating func closeState(at time: Int) {
    guard let open = state else { return }
    state = nil
    slice(
      open.name, category: "lock-step", from: open.begin, duration: time - open.begin, tid: Self.stateLane, args: [])
  }

  private mutating func closeUpload(at time: Int, result: String) {
    guard let open = upload else { return }
    upload = nil
    slice(
      open.name, category: "upload", from: open.begin, duration: time - open.begin, tid: Self.uploadLane,
      args: [("result", .string(result))])
  }

  /// Times come from a file: they may be anything.
  private static func sum(_ left: Int, _ right: Int) -> Int { left.addingReportingOverflow(max(0, right)).0 & .max }

  private static func quoted(_ text: String) -> String { "\"\(Trace.escaped(text))\"" }

  private static func object(_ members: [(String, JSONValue)]) -> String {
    "{\(members.map { "\(quoted($0.0)):\(text($0.1))" }.joined(separator: ","))}"
  }

  private static func text(_ value: JSONValue) -> String {
    switch value {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .number(let value): value.isFinite ? "\(value)" : "null"
    case .integer(let value): "\(value)"
    case .string(let value): quoted(value)
    case .array(let values): "[\(values.map(text).joined(separator: ","))]"
    case .object(let members): object(members.map { ($0.name, $0.value) })
    }
  }
}
