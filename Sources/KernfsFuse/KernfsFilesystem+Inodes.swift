import FuseKit
import Kernfs
import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// Requests on inodes.
extension KernfsFilesystem {
  /// What stat(2) shows.
  public func getattr(_ request: consuming Request<Op.Getattr>) {
    do throws(Errno) {
      let attributes = try tree.attributes(of: request.treeNode)
      if keepsSize(of: request.treeNode, onHandle: request.operation.handle != nil) {
        changes.keepSize(of: request.node)
      }
      request.reply(attributes: FuseKit.Attributes(attributes), validity: attributes.validity)
    } catch {
      request.reply(error: error)
    }
  }

  /// A file, but where ``ChangeNotices/keepSize(of:)`` comes first.
  public func getattrAtOnce(_ node: FuseKit.NodeID, on handle: FileHandle?) -> (FuseKit.Attributes, Validity)? {
    guard let file = tree.fileAttributes(of: Kernfs.NodeID(rawValue: node.rawValue)),
      !Self.keepsSize(file.attributes, isOpen: file.isOpen, onHandle: handle != nil)
    else { return nil }
    return (FuseKit.Attributes(file.attributes), file.attributes.validity)
  }

  private func keepsSize(of node: Kernfs.NodeID, onHandle hasHandle: Bool) -> Bool {
    guard let file = tree.fileAttributes(of: node) else { return false }
    return Self.keepsSize(file.attributes, isOpen: file.isOpen, onHandle: hasHandle)
  }

  /// Whether the answer to getattr shall reach the caller but not the inode, whose size page-cache reads need (fuse-limits
  /// P1 b, c). Where nobody has the file open there are none, and who opens it next raises the size anew.
  private static func keepsSize(_ attributes: InodeAttributes, isOpen: Bool, onHandle hasHandle: Bool) -> Bool {
    !attributes.isCacheable && attributes.kind == .regular && isOpen && !hasHandle
  }

  /// chmod, chown, truncate, utimensat.
  public func setattr(_ request: consuming Request<Op.Setattr>) {
    do throws(Errno) {
      let attributes = try tree.change(request.treeNode, InodeChange(request.operation.changes))
      request.reply(attributes: FuseKit.Attributes(attributes), validity: attributes.validity)
    } catch {
      request.reply(error: error)
    }
  }

  /// The figures of sysfs.
  public func statfs(_ request: consuming Request<Op.Statfs>) {
    let tree = self.tree.statistics()
    var statistics = FilesystemStatistics()
    statistics.blockSize = UInt64(tree.blockSize)
    statistics.fragmentSize = UInt64(tree.blockSize)
    statistics.maximumNameLength = UInt64(tree.nameLength)
    request.reply(statistics)
  }

  /// `trusted.` and `security.` attributes stick.
  public func setxattr(_ request: consuming Request<Op.Setxattr>, value: RawSpan) {
    do throws(Errno) {
      let bytes = value.withUnsafeBytes { Array($0) }
      try tree.setExtendedAttribute(
        request.operation.name, to: bytes, flags: request.operation.flags, of: request.treeNode)
      request.replyDone()
    } catch {
      request.reply(error: error)
    }
  }

  /// An extended attribute.
  public func getxattr(_ request: consuming Request<Op.Getxattr>) {
    do throws(Errno) {
      let value = try tree.extendedAttribute(request.operation.name, of: request.treeNode)
      request.reply(value: value)
    } catch {
      request.reply(error: error)
    }
  }

  /// The names of the extended attributes that the caller may see.
  public func listxattr(_ request: consuming Request<Op.Listxattr>) {
    do throws(Errno) {
      let isAdmin = capabilities.has(.sysAdmin, request.caller())
      let names = try tree.extendedAttributeNames(of: request.treeNode, includingTrusted: isAdmin)
      request.reply(value: names.flatMap { Array($0.utf8) + [0] })
    } catch {
      request.reply(error: error)
    }
  }

  /// Takes an extended attribute away.
  public func removexattr(_ request: consuming Request<Op.Removexattr>) {
    do throws(Errno) {
      try tree.removeExtendedAttribute(request.operation.name, of: request.treeNode)
      request.replyDone()
    } catch {
      request.reply(error: error)
    }
  }
}

extension InodeAttributes {
  /// How long the kernel may keep it: changes come with a request or a notice, or it is asked each time.
  var validity: Validity { isCacheable ? .unlimited : .once }
}

extension FuseKit.Entry {
  init(_ attributes: InodeAttributes) {
    self.init(
      node: FuseKit.NodeID(rawValue: attributes.id.rawValue), generation: 1,
      attributes: FuseKit.Attributes(attributes), nameValidity: attributes.validity,
      attributesValidity: attributes.validity)
  }
}

extension FuseKit.Attributes {
  init(_ attributes: InodeAttributes) {
    self.init(
      inode: attributes.id.rawValue, type: FuseKit.FileType(attributes.kind),
      permissions: UInt32(attributes.permissions),
      links: attributes.links, uid: attributes.uid, gid: attributes.gid, size: attributes.size,
      blockSize: Int(InodeAttributes.blockSize))
    accessed = timespec(attributes.accessed)
    modified = timespec(attributes.modified)
    changed = timespec(attributes.changed)
  }
}

extension InodeChange {
  init(_ changes: AttributeChanges) {
    self.init(
      permissions: changes.mode.map { UInt16($0 & 0o7777) }, uid: changes.uid, gid: changes.gid, size: changes.size,
      accessed: changes.accessed.map(Time.init), modified: changes.modified.map(Time.init))
  }
}

extension InodeChange.Time {
  init(_ time: AttributeChanges.Time) {
    self =
      switch time {
      case .now: .now
      case .at(let time): .at(Timestamp(time))
      }
  }
}

extension timespec {
  init(_ time: Timestamp) {
    self.init(tv_sec: time_t(time.seconds), tv_nsec: Int(time.nanoseconds))
  }
}

extension Timestamp {
  init(_ time: timespec) {
    self.init(seconds: Int64(time.tv_sec), nanoseconds: UInt32(clamping: time.tv_nsec))
  }

  /// The time of day.
  public static func now() -> Timestamp {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(time)
  }
}
