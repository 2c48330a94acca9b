import CFuse3

/// The process's memory for objects.
public enum Heap {
  /// One heap for all threads, to be asked for before there are several. A server's threads take turns, and what one of them
  /// allocates another one frees: with a heap each, every thread would keep room that the others need. Blocks from 128 KiB
  /// on, images above all, lie beside it and go back to the kernel, where glibc would learn to leave holes for them.
  public static func useOne() { _ = cfuse3_one_heap(128 << 10) }

  /// Blocks of up to `size` bytes are used again when they are freed, and not given back to the kernel, which would have to
  /// clear the same memory over and over: for commands that look at one image after the other.
  public static func keepBlocks(upTo size: Int) { _ = cfuse3_keep_blocks(Int32(clamping: min(max(0, size), 16 << 20))) }
}
