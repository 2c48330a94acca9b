import SystemPackage

/// What an open text attribute keeps between reads: the `struct seq_file` of one record.
///
/// The kernel decides by the offset alone, and so does FUSE: offset 0 forgets, an offset that is not where the last
/// read stopped shows the value again, and text that is left is given out even when the value or the device has gone.
/// Follows `seq_read_iter` and `traverse`, with `kernfs_seq_start` and `single_start` for the one record.
struct SequentialText {
  /// The record (`buf`); its storage is used again and again.
  private(set) var text: AttributeText
  private var readPosition: Int64 = 0
  private var from = 0
  private var count = 0
  private var isPastRecord = false

  /// Before the first read; `storage` is used for the text.
  init(storage: AttributeText = AttributeText()) { text = storage }

  /// Gives the text's storage away.
  mutating func takeStorage() -> AttributeText {
    defer { text = AttributeText() }
    return text
  }

  typealias Show = (_ text: inout AttributeText) throws(Errno) -> Void

  /// Which part of ``text`` a read of `wanted` bytes at `position` gives.
  ///
  /// `show` has to throw ENODEV when the device is gone, and is called only where the kernel calls
  /// `kernfs_seq_start`; `isPastRecord` keeps the value from being shown.
  mutating func read(
    at position: Int64, count wanted: Int, isActive: Bool, show: Show
  ) throws(Errno) -> Range<Int> {
    guard position >= 0 else { throw .invalidArgument }
    guard wanted > 0 else { return 0..<0 }
    if position == 0 { rewind() }
    if position != readPosition {
      do throws(Errno) {
        try traverse(to: position, isActive: isActive, show: show)
      } catch {
        readPosition = 0
        rewind()
        throw error
      }
      readPosition = position
    }
    if count == 0 {
      from = 0
      guard isActive else { throw .operationNotSupportedByDevice }
      guard !isPastRecord else { return 0..<0 }
      try fill(show)
    }
    let taken = min(count, wanted)
    let range = from..<(from + taken)
    from += taken
    count -= taken
    readPosition &+= Int64(taken)
    return range
  }

  private mutating func rewind() {
    isPastRecord = false
    count = 0
  }

  private mutating func fill(_ show: Show) throws(Errno) {
    text.clear()
    try show(&text)
    count = text.bytes.count
    isPastRecord = true
  }

  private mutating func traverse(to position: Int64, isActive: Bool, show: Show) throws(Errno) {
    rewind()
    from = 0
    guard position > 0 else { return }
    guard isActive else { throw .operationNotSupportedByDevice }
    try fill(show)
    if position < Int64(count) {
      from = Int(position)
      count -= from
    } else {
      count = 0
    }
  }
}
