import SystemPackage
import Testing

@testable import tdxfs

@Suite("The command of tdxfs run: what it finds, and how its end is told", .timeLimit(.minutes(20)))
struct CommandEnvironmentTests {
  private let contents = PrivateView.Contents(
    machine: .sys("/m"), control: "/m/.tdxfs", processors: .init(hasTDX: true, hasSeamretInvdVMCS: false),
    cpuid1EAX: 0x000C_06F2, kmsg: nil)

  @Test("our cpuid module stands ahead of the user's own modules, and the control directory has a name")
  func variables() {
    #expect(
      PrivateView.variables(for: contents, python: "/usr/local/share/tdxfs/python", path: "/home/a/lib") == [
        "TDXFS_CPUID_1_EAX": "0x000c06f2", "TDXFS_CONTROL": "/m/.tdxfs", "TDXFS_MOUNT": "/m",
        "PYTHONPATH": "/usr/local/share/tdxfs/python:/home/a/lib",
      ])
    #expect(PrivateView.variables(for: contents, python: "/p", path: "")["PYTHONPATH"] == "/p")
    #expect(PrivateView.variables(for: contents, python: "/p", path: nil)["PYTHONPATH"] == "/p")
    #expect(PrivateView.variables(for: contents, python: nil, path: "/a")["PYTHONPATH"] == nil)
  }

  @Test(
    "data is looked for beside the installed command, then upwards in the source tree",
    arguments: [
      ("/usr/local/bin/tdxfs", "/usr/local/share/tdxfs/python"),
      ("/src/tdxfs/.build/x86_64-unknown-linux-gnu/debug/tdxfs", "/src/tdxfs/tools/python"),
    ])
  func dataDirectories(executable: String, expected: String) {
    #expect(DataDirectory.candidates(for: FilePath(executable)).contains(FilePath(expected)))
  }

  @Test("the installed data wins over any source tree")
  func installedFirst() {
    #expect(DataDirectory.candidates(for: "/a/bin/tdxfs").first == "/a/share/tdxfs/python")
  }

  @Test(
    "an exit status is the command's own, or 128+n for signal n",
    arguments: [(0x0000, 0), (0x2A00, 42), (9, 137), (0x8B, 139)])
  func statuses(waitStatus: Int, exitStatus: Int) {
    #expect(SupervisedCommand.exitStatus(ofWaitStatus: Int32(waitStatus)) == Int32(exitStatus))
  }
}
