#if canImport(Glibc)
  import Glibc
#endif

/// The threads of this process.
public enum ThreadCount {
  /// How many there are now (/proc/self/task); 1 where that can't be told.
  public static var now: Int {
    guard let directory = opendir("/proc/self/task") else { return 1 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count - 2
  }
}
