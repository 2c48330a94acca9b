import Basics

/// The bytes of a forged module: a tiny ELF file that the loader's rules take, one constant block, and filler. It holds
/// no instruction that anybody would run.
struct ForgedModule {
  /// The constants that tell its version.
  var block: ConstantBlock
  /// Pages of 4096 bytes, at least one.
  var pages: Int
  /// e_entry.
  var entryPoint: UInt32

  /// Where things lie in the first page.
  private enum Place {
    static let sectionHeaders = 0x40
    static let relocations = 0x100
    static let targets = 0x180
    static let constantBlock = 0x200
    static let end = 0x400
  }
  private static let relocationCount = 4

  /// Where execution could begin in an image of any size.
  static let smallestEntryPoint = UInt32(Place.end)

  /// The bytes; the same for the same values.
  var bytes: [UInt8] {
    var image = filler
    image.store([UInt8](repeating: 0, count: Place.end), at: 0)
    image.store(header, at: 0)
    image.store(sectionHeader(type: ModuleELF.sectionTypeRela), at: Place.sectionHeaders + ModuleELF.sectionHeaderSize)
    for index in 0..<Self.relocationCount {
      let target = UInt64(Place.targets + 8 * index)
      let entry = target.littleEndianBytes + ModuleELF.relative.littleEndianBytes + target.littleEndianBytes
      image.store(entry, at: Place.relocations + ModuleELF.relaEntrySize * index)
    }
    image.store(block.bytes, at: Place.constantBlock)
    return image
  }

  /// Pseudo-random bytes that follow from the version.
  private var filler: [UInt8] {
    let version = block.version
    let seed = UInt64(version.major) << 48 | UInt64(version.minor) << 32 | UInt64(version.update)
    var generator = SeededGenerator(seed: seed)
    let count = pages * ModuleImageFile.pageSize
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      for offset in stride(from: 0, to: count, by: 8) {
        raw.storeBytes(of: generator.next().littleEndian, toByteOffset: offset, as: UInt64.self)
      }
      initialized = count
    }
  }

  /// The header of a 64-bit little-endian x86 shared object with two sections: none, and the relocations.
  private var header: [UInt8] {
    var header = [UInt8](repeating: 0, count: 64)
    header.store([0x7F, 0x45, 0x4C, 0x46, 2, 1, 1], at: 0)
    header.store(UInt16(3), at: 16)  // e_type = ET_DYN
    header.store(UInt16(62), at: 18)  // e_machine = EM_X86_64
    header.store(UInt32(1), at: 20)  // e_version
    header.store(UInt64(entryPoint), at: 24)  // e_entry
    header.store(UInt64(Place.sectionHeaders), at: 40)  // e_shoff
    header.store(UInt16(64), at: 52)  // e_ehsize
    header.store(UInt16(ModuleELF.sectionHeaderSize), at: 58)  // e_shentsize
    header.store(UInt16(2), at: 60)  // e_shnum
    return header
  }

  private func sectionHeader(type: UInt32) -> [UInt8] {
    var header = [UInt8](repeating: 0, count: ModuleELF.sectionHeaderSize)
    header.store(type, at: 4)
    header.store(UInt64(Place.relocations), at: 16)  // sh_addr
    header.store(UInt64(Place.relocations), at: 24)  // sh_offset
    header.store(UInt64(ModuleELF.relaEntrySize * Self.relocationCount), at: 32)  // sh_size
    header.store(UInt64(8), at: 48)  // sh_addralign
    header.store(UInt64(ModuleELF.relaEntrySize), at: 56)  // sh_entsize
    return header
  }
}
