import CFuse3

/// The process's memory for objects.
public enum Heap {
  /// One heap for all threads, to be asked for before there are several. A server's threads take turns, and what one of them
  /// allocates another one frees: with a heap each, every thread would keep room that the others need.
  public static func useOne() { _ = cfuse3_one_heap() }
}
