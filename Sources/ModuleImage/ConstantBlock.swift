import Basics

/// The block of constants by which an image tells its version: ten u64 at an 8-aligned place (pseamldr.md 6.4, c).
///
/// The order is that of the genuine 2.0.08, whose block is at 0x81c40. Forged images have exactly one.
public struct ConstantBlock: Equatable, Sendable {
  /// Build number.
  public var buildNumber: UInt16
  /// Internal version.
  public var internalVersion: UInt16
  /// Build date, decimal yyyymmdd.
  public var buildDate: UInt32
  /// Minor SVN.
  public var minorSVN: UInt8
  /// Major, minor, update.
  public var version: ModuleVersion
  /// Built-in MODULE_HV, MIN_UPDATE_HV and NO_DOWNGRADE; nil where the three words can't be these.
  public var handoff: HandoffRange?

  /// Size of the whole block.
  static let size = 80
  /// Where the date lies in it.
  static let dateOffset = 16
  /// Size without the handoff words.
  static let identitySize = 56

  /// The block as it is stored.
  public var bytes: [UInt8] {
    let range = handoff ?? HandoffRange(moduleHV: 0, minUpdateHV: 0, noDowngrade: false)
    let words: [UInt64] = [
      UInt64(buildNumber), UInt64(internalVersion), UInt64(buildDate), UInt64(minorSVN),
      UInt64(version.major), UInt64(version.minor), UInt64(version.update),
      UInt64(range.moduleHV), UInt64(range.minUpdateHV), range.noDowngrade ? 1 : 0,
    ]
    return words.flatMap(\.littleEndianBytes)
  }

  /// The one block of `image` that fits the sigstruct: DATE, minor SVN, and a version of the lines 1.5 or 2.0. Nil where
  /// there is none or more than one.
  public static func find(in image: [UInt8], sigstruct: SEAMSigstruct) -> ConstantBlock? {
    guard let date = BuildDate.decimal(bcd: sigstruct[SEAMSigstruct.date]) else { return nil }
    let places = places(in: image, date: UInt64(date), minorSVN: sigstruct[SEAMSigstruct.minorSVN])
    guard let place = places.first, places.count == 1 else { return nil }
    return read(ByteReader(image), at: place)
  }

  /// Offsets of the blocks in `image` that fit, at most two.
  static func places(in image: [UInt8], date: UInt64, minorSVN: UInt8) -> [Int] {
    image.withUnsafeBytes { raw in
      var found: [Int] = []
      var place = dateOffset
      // 40 bytes follow the date's place up to the end of the identity: date, SVN, major, minor, update.
      while place <= raw.count - (identitySize - dateOffset), found.count < 2 {
        func word(_ index: Int) -> UInt64 {
          UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: place + 8 * index, as: UInt64.self))
        }
        if word(0) == date, UInt8(truncatingIfNeeded: word(1)) == minorSVN, [1, 2].contains(word(2)),
          word(3) == (word(2) == 1 ? 5 : 0)
        {
          found.append(place - dateOffset)
        }
        place += 8
      }
      return found
    }
  }

  private static func read(_ reader: ByteReader, at place: Int) -> ConstantBlock? {
    func word(_ index: Int) -> UInt64? { try? reader.integer(at: place + 8 * index) }
    guard let build = word(0), let revision = word(1), let date = word(2), let svn = word(3),
      let major = word(4), let minor = word(5), let update = word(6).flatMap(UInt16.init(exactly:))
    else { return nil }
    return ConstantBlock(
      buildNumber: UInt16(truncatingIfNeeded: build), internalVersion: UInt16(truncatingIfNeeded: revision),
      buildDate: UInt32(truncatingIfNeeded: date), minorSVN: UInt8(truncatingIfNeeded: svn),
      version: ModuleVersion(UInt16(truncatingIfNeeded: major), UInt16(truncatingIfNeeded: minor), update),
      handoff: HandoffRange(moduleHV: word(7), minUpdateHV: word(8), noDowngrade: word(9)))
  }
}

/// Which handoff versions a module writes and reads (tdx-module.md 4.3).
public struct HandoffRange: Equatable, Sendable {
  /// MODULE_HV: the version it writes, and the highest it reads.
  public var moduleHV: UInt16
  /// MIN_UPDATE_HV: the lowest it reads.
  public var minUpdateHV: UInt16
  /// NO_DOWNGRADE: it writes MODULE_HV only.
  public var noDowngrade: Bool

  /// The range [`minUpdateHV`, `moduleHV`].
  public init(moduleHV: UInt16, minUpdateHV: UInt16, noDowngrade: Bool) {
    self.moduleHV = moduleHV
    self.minUpdateHV = minUpdateHV
    self.noDowngrade = noDowngrade
  }

  /// The range in three words of an image; nil where they can't be one: a compiler may have laid out other data there.
  init?(moduleHV: UInt64?, minUpdateHV: UInt64?, noDowngrade: UInt64?) {
    guard let moduleHV = moduleHV.flatMap(UInt16.init(exactly:)),
      let minUpdateHV = minUpdateHV.flatMap(UInt16.init(exactly:)),
      minUpdateHV <= moduleHV, let noDowngrade, noDowngrade <= 1
    else { return nil }
    self.init(moduleHV: moduleHV, minUpdateHV: minUpdateHV, noDowngrade: noDowngrade == 1)
  }
}

extension SEAMSigstruct {
  /// MODULE_HV, MIN_UPDATE_HV and NO_DOWNGRADE.
  public var handoffRange: HandoffRange {
    get {
      HandoffRange(
        moduleHV: self[Self.moduleHV], minUpdateHV: self[Self.minUpdateHV], noDowngrade: self[Self.noDowngrade] != 0)
    }
    set {
      self[Self.moduleHV] = newValue.moduleHV
      self[Self.minUpdateHV] = newValue.minUpdateHV
      self[Self.noDowngrade] = newValue.noDowngrade ? 1 : 0
    }
  }
}
