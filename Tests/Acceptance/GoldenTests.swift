import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What was compared in one section.
private struct Comparison {
  var matched = 0
  var racy = 0
  /// Known differences by their row in README.
  var known: [String: Int] = [:]
  var new: [String] = []
  /// Steps that are told as differing and are not; some depend on the host kernel.
  var settled: [String] = []

  init(_ section: String, wanted: Trace, got: Trace, differences: [KnownDifference]) {
    for step in wanted.steps {
      guard let want = wanted.lines[step] else { continue }
      if want.isRacy {
        racy += 1
        continue
      }
      let rules = differences.filter { $0.section == section && $0.name == step.name && $0.steps.contains(step.number) }
      guard let line = got.lines[step] else {
        new.append("\(step.name) step \(step.number)\n  want \(want)\n  got  nothing")
        continue
      }
      let fields = want.differences(from: line)
      if fields.isEmpty {
        matched += 1
        settled += rules.map { "\($0.row): \(step.name) step \(step.number)" }
      } else if let rule = rules.first(where: { $0.covers(step, in: section, line, differingIn: fields) }) {
        known[rule.row, default: 0] += 1
      } else {
        new.append("\(step.name) step \(step.number)\n  want \(want)\n  got  \(line)")
      }
    }
    for step in got.steps where wanted.lines[step] == nil && !step.name.hasSuffix("~") {
      let line = got.lines[step].map { "\($0)" } ?? ""
      new.append("\(step.name) step \(step.number)\n  want nothing\n  got  \(line)")
    }
  }

  var summary: String {
    let known = known.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    return "\(matched) matched, \(racy) racy, known: [\(known)], \(new.count) new"
  }
}

/// The record of a real kernel, step by step (`Golden/README.md`): every step of every case either matches, or is a
/// known difference with a row in README's table, or fails the test.
@Suite("The golden record", .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct GoldenTests {
  private func compare(
    _ section: String, with record: String, busybox: Bool = false, _ options: [String] = [],
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    try await Machine.mounted("device=test_firmware,layout=sys", sourceLocation: sourceLocation) { machine in
      for name in ["fw1", "fw2"] {
        try machine.write(name, to: "devices/virtual/misc/test_firmware/upload_register")
      }
      let run = try await GoldenProbe.shared.run(section, on: machine.root, busybox: busybox, options)
      try #require(run.status == 0, "\(run.errors)", sourceLocation: sourceLocation)
      #expect(run.errors == "", sourceLocation: sourceLocation)
      let comparison = Comparison(
        section, wanted: try Trace(File.read(GoldenProbe.directory + "/" + record)), got: try Trace(run.output),
        differences: KnownDifference.all)
      print("golden \(record): \(comparison.summary)")
      for step in comparison.settled { print("golden \(record): no difference here: \(step)") }
      let told = comparison.new.prefix(40).joined(separator: "\n")
      let new = comparison.new.count
      #expect(new == 0, "\(comparison.summary)\n\(told)", sourceLocation: sourceLocation)
    }
  }

  @Test(
    "the upload device",
    arguments: [
      "layout", "open", "read", "loading", "data", "upload", "cancel", "running", "inject", "vfs", "poll", "unreg",
    ])
  func uploadDevice(section: String) async throws {
    try await compare(section, with: "fw1.\(section).jsonl")
  }

  @Test("the test driver's own attributes")
  func plainAttributes() async throws {
    let files = ["config_name", "config_num_requests", "config_into_buf", "upload_register", "reset", "uevent", "dev"]
    try await compare(
      "plain", with: "plain.test_firmware.jsonl",
      ["--plain=\(GoldenProbe.device)", "--plain-files=\(files.joined(separator: ","))"])
  }

  /// Its messages are part of the record, so it has to be the recorded release.
  private static let busyboxRelease = "BusyBox v1.35.0 (Debian 1:1.35.0-4+deb12u1+b1)"
  private static let hasBusybox = system("busybox 2>/dev/null | grep -qF '\(busyboxRelease)'") == 0

  @Test("busybox", .enabled(if: hasBusybox, "needs busybox 1:1.35.0-4+deb12u1+b1"))
  func busybox() async throws {
    try await compare("shell", with: "shell.busybox.jsonl", busybox: true, ["--sh=/bb/sh", "--shlabel=busybox"])
  }

  @Test("every known difference has its row in README's table")
  func rows() throws {
    let readme = try File.read(Tdxfs.sources + "/README.md")
    let lines = readme.split(separator: "\n").drop { $0 != "## Where tdxfs differs from a real machine" }.dropFirst()
    let table = lines.prefix { !$0.hasPrefix("## ") }
    let rows = Set(table.compactMap { $0.split(separator: "|").first?.trimmed })
    for row in Set(KnownDifference.all.map(\.row)).sorted() { #expect(rows.contains(row), "\(row)") }
  }

  @Test("a step that differs, is missing or too many is seen")
  func comparisonSeesDifferences() throws {
    let wanted = try Trace(
      """
      {"case":"layout.statfs","step":1,"ret":0,"type":"62656572","vol":{"a":[1,"}"]}}
      {"case":"a","step":2,"ret":0,"text":"a\\"b"}
      {"case":"a","step":3,"ret":0}
      {"case":"b~","step":1,"ret":0}
      """)
    let got = try Trace(
      """
      {"case":"layout.statfs","step":1,"ret":0,"type":"65735546","vol":{"a":[2]}}
      {"case":"a","step":2,"ret":0,"text":"a\\"c"}
      {"case":"a","step":4,"ret":0}
      {"case":"b~","step":1,"ret":1}
      """)
    let comparison = Comparison("layout", wanted: wanted, got: got, differences: KnownDifference.all)
    #expect(comparison.matched == 0 && comparison.racy == 1)
    #expect(comparison.known == ["statfs type": 1])
    #expect(comparison.new.count == 3)
    #expect(Comparison("layout", wanted: wanted, got: wanted, differences: []).new.isEmpty)
    let otherSection = Comparison("open", wanted: wanted, got: got, differences: KnownDifference.all)
    #expect(otherSection.new.count == 4)
    #expect(throws: TraceLine.Malformed.self) { try Trace("{\"case\":\"a\",\"step\":1") }
  }
}

extension Substring {
  fileprivate var trimmed: String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
