import Glibc
import Testing

@testable import FuseKit

extension FuseKitTests {
  @Suite("Giving back what a start touched of the program")
  struct ProgramTextTests {
    @Test(
      "takes code and each file's first segment, and nothing that was or can be written",
      arguments: [
        ("55d0a000-55d0b000 r-xp 00450000 fe:00 1053 /usr/bin/tdxfs\n", 0x55d0_a000..<0x55d0_b000),
        ("7f00-8f00 r--p 00000000 fe:00 1053                     /usr/lib/a library.so\n", 0x7f00..<0x8f00),
        ("7f00-8f00 r-xp 00000000 fe:00 1053   /usr/bin/tdxfs (deleted)\n", 0x7f00..<0x8f00),
        // What the loader wrote before it was made read-only (RELRO), a file's data, and what has no file.
        ("7f00-8f00 r--p 00450000 fe:00 1053 /usr/bin/tdxfs\n", nil),
        ("7f00-8f00 rw-p 00000000 fe:00 1053 /usr/bin/tdxfs\n", nil),
        ("7f00-8f00 rwxp 00000000 fe:00 1053 /usr/bin/tdxfs\n", nil),
        ("7f00-8f00 r-xs 00000000 fe:00 1053 /usr/bin/tdxfs\n", nil),
        ("7f00-8f00 r-xp 00000000 00:00 0 [vdso]\n", nil),
        ("7f00-8f00 r-xp 00000000 00:00 0\n", nil),
        ("8f00-7f00 r-xp 00000000 fe:00 1053 /usr/bin/tdxfs\n", nil),
        ("r-xp\n", nil),
      ] as [(String, Range<UInt>?)])
    func lines(line: String, range: Range<UInt>?) { #expect(ProgramText.neverWritten(line) == range) }

    @Test("leaves a process that goes on, in less memory")
    func process() throws {
      let before = try residentFilePages()
      ProgramText.giveBackUntilUsed()
      let after = try residentFilePages()
      #expect(after < before)
    }

    /// `RssFile` of proc_pid_status(5), in pages: the third field of proc_pid_statm(5).
    private func residentFilePages() throws -> Int {
      let file = try #require(fopen("/proc/self/statm", "re"))
      defer { fclose(file) }
      var line = [CChar](repeating: 0, count: 200)
      try #require(fgets(&line, Int32(line.count), file) != nil)
      let fields = String(decoding: line.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: " ")
      return try #require(Int(fields[2]))
    }
  }
}
