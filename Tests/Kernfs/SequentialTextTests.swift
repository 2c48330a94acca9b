import SystemPackage
import Testing

@testable import Kernfs

/// fuse-limits row 12, groundtruth 3 and 7: what a sequence of reads on one open text attribute gives.
@Suite(.timeLimit(.minutes(20)))
struct SequentialTextTests {
  private let attribute = Knob("idle\n")
  private let tree: Tree
  private let file: OpenFileID

  init() throws {
    let attribute = attribute
    tree = Tree(clock: Clock().now) { Kernfs.file("status", attribute) }
    file = try tree.open("status")
  }

  @Test("Open does not show; the first read does, and keeps the text")
  func firstReadShows() throws {
    attribute.value = "receiving\n"
    #expect(attribute.shows == 0)
    #expect(try tree.read(file, 4096) == "receiving\n")
    #expect(attribute.shows == 1)
  }

  @Test("At the end: 0 again and again, without asking the attribute")
  func endOfFile() throws {
    #expect(try tree.read(file, 4096) == "idle\n")
    attribute.value = "transferring\n"
    #expect(try tree.read(file, 4096, at: 5) == "")
    #expect(try tree.read(file, 4096, at: 5) == "")
    #expect(attribute.shows == 1)
  }

  @Test("One byte at a time is one show, and a change in between is not seen")
  func byteWise() throws {
    var text = try tree.read(file, 1)
    attribute.value = "XXXXXXXX\n"
    for offset in [1, 2, 3, 4, 5, 5] { text += try tree.read(file, 1, at: Int64(offset)) }
    #expect(text == "idle\n")
    #expect(attribute.shows == 1)
  }

  @Test("The rest of the old text comes first, the new one only from offset 0")
  func restOfOldText() throws {
    #expect(try tree.read(file, 3) == "idl")
    attribute.value = "receiving\n"
    #expect(try tree.read(file, 100, at: 3) == "e\n")
    #expect(try tree.read(file, 100, at: 5) == "")
    #expect(try tree.read(file, 100, at: 0) == "receiving\n")
  }

  @Test(
    "An offset that is not where the last read stopped shows again and skips",
    arguments: [
      (Int64(1), 100, "dle\n"), (2, 2, "le"), (4, 100, "\n"), (5, 100, ""), (6, 100, ""), (4095, 100, ""),
      (4096, 100, ""), (100_000, 100, ""), (Int64.max - 255, 100, ""), (Int64.max, 1, ""),
    ])
  func positioned(offset: Int64, count: Int, expected: String) throws {
    #expect(try tree.read(file, count, at: offset) == expected)
    #expect(attribute.shows == 1)
    #expect(try tree.read(file, count, at: offset) == (expected.isEmpty ? "" : expected))
  }

  @Test("A pread in between refreshes what the sequential reader gets")
  func positionedReadRefreshesSequential() throws {
    attribute.value = "0\n"
    #expect(try tree.read(file, 1) == "0")
    attribute.value = "1\n"
    #expect(try tree.read(file, 1, at: 0) == "1")
    #expect(try tree.read(file, 100, at: 1) == "\n")
    #expect(attribute.shows == 2)
  }

  @Test("An empty value is asked for by every read, and the text that comes then is seen")
  func emptyValue() throws {
    attribute.value = ""
    #expect(try tree.read(file, 100) == "")
    #expect(try tree.read(file, 100) == "")
    #expect(attribute.shows == 2)
    attribute.value = "programming:timeout\n"
    #expect(try tree.read(file, 100) == "programming:timeout\n")
  }

  @Test("A show that fails leaves nothing behind, not even what it had written")
  func failingShow() throws {
    attribute.fail(.resourceBusy)
    #expect(throws: Errno.resourceBusy) { try tree.read(file, 100) }
    #expect(throws: Errno.resourceBusy) { try tree.read(file, 100, at: 5000) }
    #expect(try tree.read(file, 0) == "")
    attribute.fail(nil)
    #expect(try tree.read(file, 100) == "idle\n")
  }

  @Test("A failure at another offset forgets where the reader was: its next read is from a fresh value")
  func failureWithPrejudice() throws {
    #expect(try tree.read(file, 2) == "id")
    attribute.fail(.ioError)
    #expect(throws: Errno.ioError) { try tree.read(file, 2, at: 1) }
    attribute.fail(nil)
    attribute.value = "receiving\n"
    #expect(try tree.read(file, 100, at: 2) == "ceiving\n")
  }

  @Test("A read behind the end, then on from there, is the end; no value")
  func behindTheEnd() throws {
    #expect(try tree.read(file, 10, at: 4096) == "")
    #expect(try tree.read(file, 10, at: 4096) == "")
    #expect(attribute.shows == 1)
  }

  @Test("At most 4095 bytes of text")
  func longText() throws {
    attribute.value = String(repeating: "x", count: 5000)
    #expect(try tree.read(file, 1 << 20).count == 4095)
    #expect(try tree.read(file, 100, at: 4095) == "")
  }

  @Test("Negative offsets and counts: EINVAL")
  func negative() throws {
    #expect(throws: Errno.invalidArgument) { try tree.read(file, 10, at: -1) }
    #expect(throws: Errno.invalidArgument) { try tree.read(file, -1) }
  }

  @Test("Page-cache reads give the value as it is and disturb neither text nor poll state (row 23)")
  func pageCacheReads() throws {
    #expect(try tree.cachedRead(file, 4096) == "idle\n")
    #expect(try tree.poll(file) == [.always, .changed])
    #expect(try tree.read(file, 2) == "id")
    attribute.value = "receiving\n"
    #expect(try tree.cachedRead(file, 4096) == "receiving\n")
    #expect(try tree.cachedRead(file, 4096, at: 4) == "iving\n")
    #expect(try tree.read(file, 100, at: 2) == "le\n")
  }

  @Test("Two opens of one file keep their own text")
  func independentOpens() throws {
    let second = try tree.open("status")
    #expect(try tree.read(file, 2) == "id")
    attribute.value = "0123\n"
    #expect(try tree.read(second, 2) == "01")
    #expect(try tree.read(file, 9, at: 2) == "le\n")
    #expect(try tree.read(second, 9, at: 2) == "23\n")
  }

  @Test("A short page-cache read makes the kernel forget the size: the next open for reading tells it, once")
  func sizeAfterPageCacheRead() throws {
    func openedLength() throws -> Int64 {
      try tree.open(try tree.lookup("status", in: .root).id, flags: .largeFile, by: root).readableLength
    }
    #expect(try openedLength() == 0)
    _ = try tree.bytes(file, at: 0, count: 4096, fromPageCache: true, by: root).count
    #expect(try openedLength() == 4096)
    #expect(try openedLength() == 0)
  }
}
