import ModuleImage

/// The matrix for people and for machines.
struct MatrixReport {
  let results: [MatrixResult]

  /// A table for each running module and image: a line a client, a column a kernel.
  func text(explained: Bool) -> String {
    var texts: [String] = []
    for table in tables {
      guard let cell = table.first?.cell else { continue }
      let kernels = table.filter { $0.cell.client == cell.client }.map(\.cell.kernel)
      let words = table.map(\.word.rawValue)
      let width = 2 + ((kernels + words).map(\.count).max() ?? 0)
      let first = 2 + (table.map(\.cell.client.rawValue.count).max() ?? 0)
      var lines = ["\(Self.name(of: cell.image)) onto \(cell.module) (cpu=\(cell.cpu.rawValue))"]
      lines.append(Self.line([("", first)] + kernels.map { ($0, width) }))
      for row in Self.groups(of: table, by: \.cell.client) {
        guard let client = row.first?.cell.client else { continue }
        lines.append(Self.line([(client.rawValue, first)] + row.map { ($0.word.rawValue, width) }))
      }
      if explained { lines += explanations(of: table) }
      texts.append(lines.joined(separator: "\n"))
    }
    return texts.joined(separator: "\n\n")
  }

  private static func line(_ columns: [(String, Int)]) -> String {
    var line = "  "
    for (text, width) in columns { line += text + String(repeating: " ", count: max(1, width - text.count)) }
    return String(line.reversed().drop { $0 == " " }.reversed())
  }

  private static func name(of image: MatrixImage) -> String {
    image.isForged
      ? "\(image.version) in \(image.format.name)" : "\(image.path): \(image.version) in \(image.format.name)"
  }

  /// Neighbours of one running module and image.
  private var tables: [[MatrixResult]] {
    var tables: [[MatrixResult]] = []
    for result in results {
      if let last = tables.last?.last, last.cell.image.path == result.cell.image.path,
        last.cell.module == result.cell.module
      {
        tables[tables.count - 1].append(result)
      } else {
        tables.append([result])
      }
    }
    return tables
  }

  private static func groups<Key: Equatable>(
    of results: [MatrixResult], by key: (MatrixResult) -> Key
  ) -> [[MatrixResult]] {
    var groups: [[MatrixResult]] = []
    for result in results {
      if let last = groups.last?.last, key(last) == key(result) {
        groups[groups.count - 1].append(result)
      } else {
        groups.append([result])
      }
    }
    return groups
  }

  /// One line for each reason, with all cells that have it.
  private func explanations(of table: [MatrixResult]) -> [String] {
    var order: [String] = []
    var cells: [String: [String]] = [:]
    for result in table {
      let key = "\(result.word.rawValue): \(result.reason); \(Self.belief(result))"
      if cells[key] == nil { order.append(key) }
      cells[key, default: []].append("\(result.cell.client.rawValue)/\(result.cell.kernel)")
    }
    return order.map { "  \(cells[$0]?.joined(separator: ", ") ?? ""):\n    \($0)" }
  }

  private static func belief(_ result: MatrixResult) -> String {
    switch result.report?.client {
    case .succeeded: "the client believes that it succeeded"
    case .failed(let text): "the client says that it failed: \(text)"
    case .missingFile, .skipped: "the client uploaded nothing"
    case nil: "no client ran"
    }
  }

  /// All cells, with all that is known of each.
  var json: JSON {
    .object([.init("cells", .array(results.map(Self.json)))])
  }

  private static func json(_ result: MatrixResult) -> JSON {
    let cell = result.cell
    let report = result.report
    func text(_ value: String?) -> JSON { value.map { $0 == "-" ? .null : .string($0) } ?? .null }
    return .object([
      .init("client", .string(cell.client.rawValue)),
      .init("program", .string(cell.intelDirectory == nil ? "tdxfs" : "intel")),
      .init("kernel", .string(cell.kernel)),
      .init("module", .string(cell.module.description)),
      .init("cpu", .string(cell.cpu.rawValue)),
      .init("image", cell.image.isForged ? .null : .string(cell.image.path)),
      .init("image_version", .string(cell.image.version.description)),
      .init("image_header", .string(cell.image.format.name)),
      .init("result", .string(result.word.rawValue)),
      .init("reason", .string(result.reason)),
      .init("client_verdict", text(report?.client.word)),
      .init("client_says", text(report?.client.says)),
      .init("version_before", text(report?.versionBefore)),
      .init("version_after", text(report?.versionAfter)),
      .init("error", text(report?.error)),
      .init("lost", text(report?.lost)),
      .init("milliseconds", .number(result.milliseconds)),
    ])
  }
}
