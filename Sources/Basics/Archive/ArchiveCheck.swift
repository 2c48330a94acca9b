/// Checks of what came out of an archive. An archive that was damaged or forged may hold any value of the right type, and
/// nothing that works with it later may trap.
public enum ArchiveCheck {
  /// `condition` holds, or an error names `what`.
  public static func require(_ condition: Bool, _ what: @autoclosure () -> String) throws(ArchiveError) {
    guard condition else { throw ArchiveError("what it says cannot be: \(what())") }
  }

  /// `array` has `count` elements.
  public static func count(_ array: some Collection, is count: Int, _ what: String) throws(ArchiveError) {
    try require(array.count == count, "\(array.count) elements of \(what), which has \(count)")
  }

  /// `value` lies in `range`.
  public static func range<Value: Comparable>(
    _ value: Value, _ range: ClosedRange<Value>, _ what: String
  ) throws(ArchiveError) {
    try require(range.contains(value), "\(what) is \(value)")
  }
}
