import SEAM
import Testing

@Suite("Leaves", .timeLimit(.minutes(20)))
struct LeafTests {
  @Test("every leaf of the module has its number and name")
  func module() {
    for (number, name) in LeafTable.module {
      #expect(ModuleLeaf(rawValue: number)?.name == name)
    }
    #expect(ModuleLeaf.allCases.count == LeafTable.module.count)
  }

  @Test("RAX selects the leaf; a loader leaf has no version bits")
  func selection() {
    #expect(Leaf(rax: 33) == .module(.sysInit))
    #expect(Leaf(rax: 1 << 16 | 33) == .module(.sysInit))
    #expect(Leaf(rax: 0x8000_0000_0000_0001) == .loader(.install))
    #expect(Leaf(rax: 0x8000_0000_0001_0001) == .unknown(0x8000_0000_0001_0001))
    #expect(Leaf(rax: 0x8000_0000_0000_00FE).name == "LEAF.0x80000000000000fe")
    #expect(Leaf(rax: 254).name == "LEAF.0xfe")
  }

  @Test("the loader's leaves")
  func loader() {
    let names = ["SEAMLDR.INFO", "SEAMLDR.INSTALL", "SEAMLDR.SHUTDOWN", "SEAMLDR.SEAMINFO", "SEAMLDR.CLEANUP"]
    for (index, name) in names.enumerated() {
      #expect(LoaderLeaf(rawValue: 1 << 63 | UInt64(index))?.name == name)
    }
    #expect(LoaderLeaf.allCases.count == names.count)
  }
}
