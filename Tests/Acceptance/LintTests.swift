import Testing

/// The example of a correct client, with one thing done wrong.
private struct BadClient: CustomTestStringConvertible, Sendable {
  /// The habit that `tdxfs lint` has to find, and no other.
  let habit: String
  /// What stands in the example, and what stands in its place.
  let good: String
  let bad: String

  var testDescription: String { habit }

  static let all = [
    BadClient(
      habit: "short-write",
      good: "        while offset < len(data):\n            offset += os.write(file, data[offset:])\n",
      bad: "        os.write(file, data)\n"),
    BadClient(
      habit: "data-before-loading",
      good: "    write(device + \"/loading\", b\"1\")\n    try:\n        write(device + \"/data\", image)\n",
      bad: "    try:\n        write(device + \"/data\", image)\n        write(device + \"/loading\", b\"1\")\n"),
    BadClient(
      habit: "no-wait", good: "    while text(device, \"status\") != \"idle\":\n",
      bad: "    time.sleep(2)\n    while False:\n"),
    BadClient(
      habit: "error-unread", good: "    return text(device, \"error\")\n",
      bad: "    return \"guessed:device-busy\" if text(DEVICE, \"version\") == \"1.5.24\" else \"\"\n"),
    BadClient(
      habit: "error-while-busy", good: "        time.sleep(0.01)\n",
      bad: "        try:\n            text(device, \"error\")\n        except OSError:\n            pass\n"),
    BadClient(
      habit: "retried-loss", good: "while error.endswith(\":device-busy\") and", bad: "while error and"),
    BadClient(
      habit: "busy-not-retried", good: "while error.endswith(\":device-busy\") and", bad: "while False and"),
    BadClient(habit: "unchanged-believed", good: "    if after != version:\n", bad: "    if False:\n"),
    BadClient(habit: "loading-left", good: "        write(device + \"/loading\", b\"-1\")\n", bad: ""),
    BadClient(habit: "offline-unchecked", good: "    if online != present:\n", bad: "    if False:\n"),
    BadClient(
      habit: "updates-unchecked", good: "            if int(text(path)) == 0:\n", bad: "            if False:\n"),
    BadClient(
      habit: "failure-untold", good: "        sys.exit(f\"update_module.py: {error}\")\n",
      bad: "        print(error)\n        sys.exit(1 if \"reported no error\" in str(error) else 0)\n"),
  ]
}

@Suite(
  "lint judges clients by what they do",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct LintTests {
  private static let example = Tdxfs.sources + "/mount/examples/update_module.py"

  /// Verdicts by habit, out of the JSON report, read by a parser that is not ours.
  private func verdicts(_ finished: Finished) async throws -> [String: String] {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    try File.create(scratch.path + "/lint.json", Array(finished.output.utf8))
    let table = try await Command.run([
      "python3", "-c",
      "import json, sys\nfor habit in json.load(open(sys.argv[1]))['habits']:\n  print(habit['habit'] + '=' + habit['verdict'])",
      scratch.path + "/lint.json",
    ])
    try #require(table.status == 0, "\(table)\n\(finished)")
    var verdicts: [String: String] = [:]
    for line in table.output.split(separator: "\n") {
      let parts = line.split(separator: "=").map(String.init)
      verdicts[parts[0]] = parts[1]
    }
    return verdicts
  }

  private func lint(_ words: [String], client: [String]) async throws -> Finished {
    try await Tdxfs.run(["lint"] + words + ["--"] + client, seconds: 120)
  }

  @Test("the example that comes with tdxfs is innocent of every habit, and each one was looked at")
  func correct() async throws {
    let finished = try await lint([], client: ["python3", "-B", Self.example, "--busy-limit", "1", "{image}"])
    #expect(finished.status == 0, "\(finished)")
    let lines = finished.output.split(separator: "\n")
    #expect(lines.count == BadClient.all.count + 1)
    #expect(lines.dropLast().allSatisfy { $0.hasPrefix("innocent  ") }, "\(finished)")
    #expect(lines.last == "innocent of all 12 habits")
  }

  @Test("a client with one bad habit is guilty of exactly that", arguments: BadClient.all)
  fileprivate func oneHabit(client: BadClient) async throws {
    let scratch = try TemporaryDirectory()
    defer { scratch.remove() }
    let text = try File.read(Self.example)
    let parts = text.split(separator: client.good, omittingEmptySubsequences: false)
    try #require(parts.count == 2, "the example does not have: \(client.good)")
    let script = scratch.path + "/client.py"
    try File.create(script, Array(parts.joined(separator: client.bad).utf8))
    let finished = try await lint(
      ["--json"],
      client: [
        "python3", "-B", script, "--busy-limit", client.habit == "no-wait" ? "9" : "1", "--version", "{version}",
        "{image}",
      ])
    let verdicts = try await verdicts(finished)
    #expect(verdicts.filter { $0.value == "guilty" }.map(\.key) == [client.habit], "\(finished)")
    #expect(finished.status == 1)
  }

  @Test("echo and cat without a look at anything are guilty of much, with evidence and the scenario that shows it")
  func shell() async throws {
    let finished = try await lint(
      ["--scenarios", "happy-path,bad-signature"],
      client: ["sh", "-c", "cd /sys/class/firmware/tdx_module; echo 1 > loading; cat {image} > data; echo 0 > loading"])
    #expect(finished.status == 1)
    #expect(finished.output.contains("guilty    no-wait              happy-path: status was not read after loading=0"))
    #expect(
      finished.output.contains(
        "guilty    error-unread         happy-path: an upload ended, and error was not read after it"))
    #expect(
      finished.output.contains(
        "guilty    failure-untold       bad-signature: the upload ended with transferring:firmware-invalid; exit status 0"
      ),
      "\(finished)")
    #expect(finished.output.contains("not seen  offline-unchecked"))
  }

  @Test("wrong usage is status 2 and one line")
  func usage() async throws {
    for words in [["lint"], ["lint", "--scenarios", "nowhere", "--", "true"], ["lint", "-o", "abi=v0", "--", "true"]] {
      let finished = try await Tdxfs.run(words)
      #expect(finished.status == 2, "\(finished)")
      #expect(finished.errors.split(separator: "\n").count == 1, "\(finished)")
    }
    let missing = try await lint(["--scenarios", "happy-path"], client: ["/no/such/client"])
    #expect(missing.status == 1 && missing.errors.contains("/no/such/client cannot be run"), "\(missing)")
  }
}

@Suite(
  "Intel's selector, unmodified, is judged",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot),
  .enabled(if: Tdxfs.intelBinaries != nil, "TDXFS_INTEL_BINARIES names no checkout of Intel's repository"),
  .serialized, .timeLimit(.minutes(20)))
struct SelectorLintTests {
  @Test("and found guilty of what it does, and of nothing that it does right")
  func selector() async throws {
    let directory = try #require(Tdxfs.intelBinaries)
    let script = directory + "/version_select_and_load.py"
    // The script's names, beside those of the scenarios' kernels.
    let finished = try await Tdxfs.run(
      [
        "lint", "-o", "alias=seamldr_upload:seamldr/", "--place", script, "--", "python3", "-B",
        "{catalog}/version_select_and_load.py", "--update", "{version}",
      ], seconds: 120)
    #expect(finished.status == 1)
    for (verdict, habit, scenario) in [
      (
        "guilty", "failure-untold",
        "wrong-cpu: nothing was uploaded, and the module is 1.5.24, not 1.5.28; exit status 0"
      ),
      ("guilty", "unchanged-believed", "same-stream-mislabelled: no error was told, and the module is 1.5.24"),
      ("guilty", "busy-not-retried", "td-build-ends: the upload ended with device-busy, and there was no other"),
      ("innocent", "short-write", ""), ("innocent", "data-before-loading", ""), ("innocent", "no-wait", ""),
      ("innocent", "error-unread", ""), ("innocent", "error-while-busy", ""), ("innocent", "retried-loss", ""),
    ] {
      let line = finished.output.split(separator: "\n").first { $0.contains(" \(habit) ") } ?? ""
      #expect(line.hasPrefix(verdict) && line.contains(scenario), "\(finished)")
    }
    let status = try await Command.run(["git", "-C", directory, "status", "--porcelain"])
    #expect(status.output.isEmpty, "\(status)")
  }

  @Test("its message of success when nothing changed is what the scenario's report shows")
  func message() async throws {
    let directory = try #require(Tdxfs.intelBinaries)
    let finished = try await Tdxfs.run([
      "scenario", "run", "same-stream-mislabelled", "-o", "alias=seamldr_upload:seamldr/", "--place",
      directory + "/version_select_and_load.py", "--", "python3", "-B", "{catalog}/version_select_and_load.py",
      "--update", "{version}",
    ])
    #expect(
      finished.output.contains("exit status 0, says: Upgrade Intel TDX module from 1.5.24 to 1.5.24"), "\(finished)")
    #expect(finished.output.contains("agree     NO: "))
  }
}
