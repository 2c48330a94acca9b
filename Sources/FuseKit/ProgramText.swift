import Glibc

/// What the process maps of its program and of the libraries: code, and tables that only the loader reads.
public enum ProgramText {
  /// Gives back what a start touched of it (madvise(2), `MADV_DONTNEED`). What is called from now on comes back from the page
  /// cache at its next use; the start's own share of several MB does not count as the server's memory any longer.
  ///
  /// Only mappings that were never written are given back, so that nothing is lost: code (`r-xp`), and each file's first
  /// segment (`r--p` at offset 0). Others that can only be read now (`RELRO`) were written by the loader.
  public static func giveBackUntilUsed() {
    guard let maps = fopen("/proc/self/maps", "re") else { return }
    defer { fclose(maps) }
    var line: UnsafeMutablePointer<CChar>?
    var room = 0
    defer { free(line) }
    while getline(&line, &room, maps) > 0, let text = line.map({ String(cString: $0) }) {
      guard let range = neverWritten(text) else { continue }
      madvise(UnsafeMutableRawPointer(bitPattern: range.lowerBound), range.count, MADV_DONTNEED)
    }
  }

  /// The addresses of a line of proc_pid_maps(5) that describes such a mapping: `ADDRESSES PERMISSIONS OFFSET DEVICE INODE PATH`.
  static func neverWritten(_ line: String) -> Range<UInt>? {
    let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
    guard fields.count == 6, fields[5].drop(while: { $0 == " " }).hasPrefix("/"),
      fields[1] == "r-xp" || fields[1] == "r--p" && UInt(fields[2], radix: 16) == 0
    else { return nil }
    let ends = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
    return ends.count == 2 && ends[0] < ends[1] ? ends[0]..<ends[1] : nil
  }
}
