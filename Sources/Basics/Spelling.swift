/// Helps people who mistyped a name.
public enum Spelling {
  /// The one of `known` that is nearest to `text` by edit distance, if it is near at all.
  public static func nearest(to text: String, among known: [String]) -> String? {
    // Nobody mistypes a name as a page of text.
    guard text.utf8.count <= 256 else { return nil }
    let ranked = known.map { (name: $0, distance: distance(text, $0)) }.min { $0.distance < $1.distance }
    guard let ranked, ranked.distance <= max(2, text.count / 2) else { return nil }
    return ranked.name
  }

  /// A phrase that names the nearest known name, and all of them.
  public static func hint(for text: String, among known: [String]) -> String {
    let all = "known are \(known.joined(separator: ", "))"
    guard let nearest = nearest(to: text, among: known) else { return all }
    return "did you mean \(nearest)? (\(all))"
  }

  /// `text` as it can stand in a message of one line: control characters and line ends are a `?`, and of a long text there is
  /// the beginning.
  public static func shown(_ text: some StringProtocol, atMost limit: Int = 64) -> String {
    var line = ""
    for scalar in text.unicodeScalars.prefix(limit) {
      switch scalar.properties.generalCategory {
      case .control, .lineSeparator, .paragraphSeparator: line.append("?")
      case _: line.unicodeScalars.append(scalar)
      }
    }
    return text.unicodeScalars.count > limit ? line + "…" : line
  }

  /// Levenshtein's distance.
  static func distance(_ left: String, _ right: String) -> Int {
    let left = Array(left.utf8)
    let right = Array(right.utf8)
    var row = Array(0...right.count)
    for (index, byte) in left.enumerated() {
      var diagonal = row[0]
      row[0] = index + 1
      for (column, other) in right.enumerated() {
        let above = row[column + 1]
        row[column + 1] = byte == other ? diagonal : 1 + min(diagonal, above, row[column])
        diagonal = above
      }
    }
    return row[right.count]
  }
}
