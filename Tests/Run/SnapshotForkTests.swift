import Platform
import Testing

@testable import tdxfs

/// What `tdxfs snapshot fork` takes over from a snapshot that somebody else may have made.
@Suite("The options of a fork", .timeLimit(.minutes(20)))
struct SnapshotForkTests {
  private func options(_ text: String) throws -> MountOptions {
    try SnapshotCommand.Fork.options(of: SnapshotFormat.bytes(options: text, body: []))
  }

  @Test("are the machine's, with a control directory")
  func machine() throws {
    let options = try options("abi=v9,lps=3,seed=7,control=off")
    #expect(options.machine.abi == "v9" && options.machine.lps == 3 && options.machine.seed == 7)
    #expect(options.machine.control && options.fuse.isEmpty && options.state == nil)
  }

  @Test(
    "are not where to keep a state, nor anything of a mount",
    arguments: ["state=/etc/crontab", "ro", "allow_other", "fsname=x", "dev", "context=x", "defaults", "x-a"])
  func others(option: String) {
    #expect(throws: Failure.self) { try options("lps=3,\(option)") }
  }
}
