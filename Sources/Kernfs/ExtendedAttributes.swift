import SystemPackage

/// The extended attributes of one node. kernfs keeps `trusted.` and `security.` names; root may set them, and they
/// stay (fuse-limits row 39).
struct ExtendedAttributes {
  /// `XATTR_CREATE` and `XATTR_REPLACE`.
  enum SetMode {
    case either
    case mustBeNew
    case mustExist
  }

  private var values: [(name: String, value: [UInt8])] = []

  /// Every name, or those that someone without CAP_SYS_ADMIN sees.
  func names(includingTrusted: Bool) -> [String] {
    values.map(\.name).filter { includingTrusted || !$0.hasPrefix("trusted.") }
  }

  func value(_ name: String) throws(Errno) -> [UInt8] {
    guard Family(name) != nil else { throw .notSupported }
    guard let index = values.firstIndex(where: { $0.name == name }) else { throw .noData }
    return values[index].value
  }

  mutating func set(_ name: String, to value: [UInt8], mode: SetMode) throws(Errno) {
    try checkWritable(name)
    if let index = values.firstIndex(where: { $0.name == name }) {
      guard mode != .mustBeNew else { throw .fileExists }
      values[index].value = value
    } else {
      guard mode != .mustExist else { throw .noData }
      values.append((name, value))
    }
  }

  mutating func remove(_ name: String) throws(Errno) {
    try checkWritable(name)
    guard let index = values.firstIndex(where: { $0.name == name }) else { throw .noData }
    values.remove(at: index)
  }

  private func checkWritable(_ name: String) throws(Errno) {
    switch Family(name) {
    case .trusted, .security: return
    case .user, nil: throw .notSupported
    }
  }

  private enum Family {
    case trusted
    case security
    case user

    init?(_ name: String) {
      if name.hasPrefix("trusted.") {
        self = .trusted
      } else if name.hasPrefix("security.") {
        self = .security
      } else if name.hasPrefix("user.") {
        self = .user
      } else {
        return nil
      }
    }
  }
}
