import Testing

@testable import tdxfs

@Suite("One directory of the machine is laid over the host's", .timeLimit(.minutes(20)))
struct DirectoryMergeTests {
  @Test("names that are there already are bound one by one; the directory itself stays the host's")
  func onlyKnownNames() {
    let merge = DirectoryMerge(
      host: ["online": .file, "present": .file, "cpu0": .directory, "power": .directory],
      machine: ["online": .file, "power": .directory])
    #expect(!merge.isCovered)
    #expect(merge.steps == ["online": .layOver, "power": .descend])
  }

  @Test("a new name needs a covered directory, into which everything of the host comes back")
  func newName() {
    let merge = DirectoryMerge(
      host: ["timeout": .file, "uevent": .file, "power": .directory, "host_upload": .symbolicLink(target: "../x")],
      machine: [
        "timeout": .file, "power": .directory, "tdx_module": .symbolicLink(target: "../../devices/faux/tdx_host"),
      ])
    #expect(merge.isCovered)
    #expect(
      merge.steps == [
        "timeout": .add, "uevent": .bringBack, "power": .descend, "host_upload": .bringBack, "tdx_module": .add,
      ])
  }

  @Test(
    "a link with the host's own target stays; one with another target, or another kind of entry, replaces the host's")
  func kinds() {
    let link = EntryKind.symbolicLink(target: "a")
    #expect(DirectoryMerge(host: ["x": link], machine: ["x": link]) == DirectoryMerge(host: ["x": link], machine: [:]))
    for (theirs, ours) in [
      (link, EntryKind.symbolicLink(target: "b")), (link, .file), (.file, link), (.directory, .file),
      (.file, .directory),
    ] {
      let merge = DirectoryMerge(host: ["x": theirs, "y": .file], machine: ["x": ours])
      #expect(merge.isCovered)
      #expect(merge.steps == ["x": .add, "y": .bringBack])
    }
  }

  @Test("an unchanged link comes back when its directory is covered for another name")
  func linkInCoveredDirectory() {
    let link = EntryKind.symbolicLink(target: "a")
    let merge = DirectoryMerge(host: ["x": link], machine: ["x": link, "new": .file])
    #expect(merge.steps == ["x": .bringBack, "new": .add])
  }
}
