/// A tried cell.
struct MatrixResult {
  let cell: MatrixCell
  let word: CellWord
  let reason: String
  /// What was found; nil when the cell did not get so far.
  let report: CellReport?
  let milliseconds: Int
}

/// Tries cells, several at once.
struct MatrixRunner {
  let scratch: MatrixScratch
  let executable: String
  /// The most that a cell may take.
  let seconds: Int

  /// The results in the order of `cells`.
  func run(_ cells: [MatrixCell]) throws(Failure) -> [MatrixResult] {
    let jobs = cells.enumerated().map { index, cell in
      ProcessPool.Job(words: cell.words(executable: executable), output: "\(scratch.path)/cell-\(index)")
    }
    let ended = try ProcessPool(seconds: seconds, name: "matrix").run(jobs)
    return zip(cells, ended).map(result)
  }

  private func result(_ cell: MatrixCell, _ ended: ProcessPool.Result) -> MatrixResult {
    func result(_ word: CellWord, _ reason: String, _ report: CellReport? = nil) -> MatrixResult {
      MatrixResult(cell: cell, word: word, reason: reason, report: report, milliseconds: ended.milliseconds)
    }
    guard let status = ended.status else { return result(.timeout, "it did not end within \(seconds) seconds") }
    guard let report = CellReport(lines: ended.output) else {
      let said = ended.errors.split(separator: "\n").last.map(String.init)
      return result(.untried, said ?? "it ended with status \(status)")
    }
    let (word, reason) = report.outcome(expecting: cell.image.version)
    return result(word, reason, report)
  }
}
