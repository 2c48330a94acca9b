import SystemPackage

/// Rehearses scenarios, several at once, each in a process of its own: a private view cannot be left again.
struct ScenarioRunner {
  /// Options that are added to those of each machine.
  var options: [String] = []
  /// A client of the user's; empty for the scenarios' own.
  var client: [String] = []
  /// Files that are linked into the catalogue.
  var placed: [String] = []

  /// The reports in the order of `files`.
  func run(_ files: [FilePath]) throws(Failure) -> [RehearsalReport] {
    let executable: String
    do { executable = try SmallFile.linkTarget(of: "/proc/self/exe") } catch {
      throw .refused("a rehearsal runs this command again and does not find it (\(error))")
    }
    let scenarios = try files.map { file throws(Failure) in try ScenarioLibrary.scenario(in: file) }
    let scratch = try MatrixScratch(for: "scenario")
    defer { scratch.remove() }
    var jobs: [ProcessPool.Job] = []
    for (index, file) in files.enumerated() {
      let directory = "\(scratch.path)/\(index)"
      do { try SmallFile.makeDirectory(FilePath(directory)) } catch {
        throw .refused("no directory for a rehearsal can be made in \(scratch.path) (\(error))")
      }
      jobs.append(
        ProcessPool.Job(
          words: [executable, "scenario-cell", "--file", file.string, "--scratch", directory]
            + options.flatMap { ["-o", $0] } + placed.flatMap { ["--place", $0] }
            + (client.isEmpty ? [] : ["--"] + client),
          output: directory + ".report"))
    }
    let limit = (scenarios.map(\.limit).max() ?? 20) + 60
    let results = try ProcessPool(seconds: limit, name: "scenario").run(jobs)
    var reports: [RehearsalReport] = []
    for (scenario, result) in zip(scenarios, results) {
      if let report = RehearsalReport(lines: result.output) {
        reports.append(report)
        continue
      }
      let said = result.errors.split(separator: "\n").last.map { line in
        var line = line
        while line.hasPrefix("tdxfs: ") { line = line.dropFirst(7) }
        return String(line)
      }
      reports.append(
        RehearsalReport(scenario: scenario, failure: said ?? "it did not end within \(limit) seconds"))
    }
    return reports
  }
}
