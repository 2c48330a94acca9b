import FuseKit
import Kernfs
import SystemPackage

/// Requests on names and directories.
extension KernfsFilesystem {
  /// The child of a directory.
  public func lookup(_ request: consuming Request<Op.Lookup>) {
    do throws(Errno) {
      let attributes = try tree.lookup(request.operation.name, in: request.treeNode)
      request.reply(entry: FuseKit.Entry(attributes))
    } catch {
      request.reply(error: error)
    }
  }

  /// The kernel gives lookups back.
  public func forget(_ node: FuseKit.NodeID, lookups: UInt64) {
    tree.forget(Kernfs.NodeID(rawValue: node.rawValue), count: lookups)
  }

  /// Where a link leads.
  public func readlink(_ request: consuming Request<Op.Readlink>) {
    do throws(Errno) {
      let target = try tree.readLink(request.treeNode)
      request.reply(target: target)
    } catch {
      request.reply(error: error)
    }
  }

  /// Lines of a directory in kernfs' order.
  public func readdir(_ request: consuming Request<Op.Readdir>) {
    do throws(Errno) {
      let offset = UInt64(clamping: request.operation.offset)
      var buffer = DirectoryBuffer(capacity: request.operation.size)
      for line in try tree.readDirectory(request.treeNode, from: offset) {
        let next = Int64(clamping: line.nextOffset)
        guard buffer.append(name: line.name, inode: line.id.rawValue, type: FuseKit.FileType(line.kind), next: next)
        else {
          break
        }
      }
      request.reply(buffer)
    } catch {
      request.reply(error: error)
    }
  }

  /// EINVAL, as on sysfs.
  public func fsyncdir(_ request: consuming Request<Op.Fsyncdir>) { request.reply(error: .invalidArgument) }

  /// EACCES or EPERM but in dynamic directories.
  public func mknod(_ request: consuming Request<Op.Mknod>) {
    do throws(Errno) {
      let attributes = try tree.makeNode(
        request.operation.name, mode: request.operation.mode, in: request.treeNode, by: request.caller())
      request.reply(entry: FuseKit.Entry(attributes))
    } catch {
      request.reply(error: error)
    }
  }

  /// EPERM but in dynamic directories.
  public func mkdir(_ request: consuming Request<Op.Mkdir>) {
    let (tree, name, parent, caller) = (tree, request.operation.name, request.treeNode, request.caller())
    answer(request) { () throws(Errno) in
      try tree.makeDirectory(name, in: parent, by: caller)
    } _: { request, result in
      switch result {
      case .success(let attributes): request.reply(entry: FuseKit.Entry(attributes))
      case .failure(let error): request.reply(error: error)
      }
    }
  }

  /// EPERM but in dynamic directories.
  public func unlink(_ request: consuming Request<Op.Unlink>) {
    do throws(Errno) {
      try tree.unlink(request.operation.name, in: request.treeNode, by: request.caller())
      request.replyDone()
    } catch {
      request.reply(error: error)
    }
  }

  /// EPERM but in dynamic directories.
  public func rmdir(_ request: consuming Request<Op.Rmdir>) {
    let (tree, name, parent, caller) = (tree, request.operation.name, request.treeNode, request.caller())
    answer(request) { () throws(Errno) in
      try tree.removeDirectory(name, in: parent, by: caller)
    } _: { request, result in
      switch result {
      case .success: request.replyDone()
      case .failure(let error): request.reply(error: error)
      }
    }
  }

  /// EACCES but in dynamic directories.
  public func create(_ request: consuming Request<Op.Create>) {
    do throws(Errno) {
      let made = try tree.create(
        request.operation.name, flags: Kernfs.OpenFlags(rawValue: request.operation.flags.rawValue),
        in: request.treeNode, by: request.caller())
      request.reply(entry: FuseKit.Entry(made.attributes), opened: Opened(made.file))
    } catch {
      request.reply(error: error)
    }
  }
}

extension FuseKit.FileType {
  init(_ kind: FileKind) {
    self =
      switch kind {
      case .directory: .directory
      case .symlink: .symbolicLink
      case .regular: .regular
      }
  }
}

extension Opened {
  init(_ file: OpenedFile) {
    self.init(handle: FileHandle(rawValue: file.id.rawValue), directIO: true)
  }
}
