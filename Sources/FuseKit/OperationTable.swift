import CFuse3
import Glibc

/// libfuse's table of operations, filled with functions that hand each request to the session's filesystem.
///
/// Absent, so that the kernel does them alone or refuses them: flush, access, getlk, setlk, flock, fallocate,
/// copy_file_range, write_buf, readdirplus, bmap.
enum OperationTable {
  static func make() -> fuse_lowlevel_ops {
    var table = fuse_lowlevel_ops()
    addNodes(&table)
    addFiles(&table)
    addDirectories(&table)
    addNames(&table)
    addExtendedAttributes(&table)
    return table
  }

  private static func addNodes(_ table: inout fuse_lowlevel_ops) {
    table.`init` = { link, connection in
      guard let link, let connection else { return }
      SessionLink.from(link).start(&connection.pointee)
    }
    table.lookup = { raw, parent, name in
      dispatch(raw, parent, Op.Lookup(name: text(name))) { $0.lookup($1) }
    }
    table.forget = { raw, node, lookups in
      guard let raw else { return }
      SessionLink.of(raw)?.filesystem?.forget(NodeID(rawValue: node), lookups: lookups)
      fuse_reply_none(raw)
    }
    table.forget_multi = { raw, count, forgets in
      guard let raw else { return }
      let filesystem = SessionLink.of(raw)?.filesystem
      for forgotten in UnsafeBufferPointer(start: forgets, count: forgets == nil ? 0 : count) {
        filesystem?.forget(NodeID(rawValue: forgotten.ino), lookups: forgotten.nlookup)
      }
      fuse_reply_none(raw)
    }
    table.getattr = { raw, node, info in
      dispatch(raw, node, Op.Getattr(handle: optionalHandle(info))) { $0.getattr($1) }
    }
    table.setattr = { raw, node, stat, set, info in
      let changes = stat.map { AttributeChanges($0.pointee, set: set) } ?? AttributeChanges()
      dispatch(raw, node, Op.Setattr(changes: changes, handle: optionalHandle(info))) { $0.setattr($1) }
    }
    table.readlink = { raw, node in dispatch(raw, node, Op.Readlink()) { $0.readlink($1) } }
    table.statfs = { raw, node in dispatch(raw, node, Op.Statfs()) { $0.statfs($1) } }
  }

  private static func addFiles(_ table: inout fuse_lowlevel_ops) {
    table.open = { raw, node, info in dispatch(raw, node, Op.Open(flags: flags(info))) { $0.open($1) } }
    table.read = { raw, node, size, offset, info in
      let operation = Op.Read(
        handle: handle(info), offset: Int64(offset), size: size, flags: flags(info),
        lockOwner: info?.pointee.lock_owner ?? 0)
      dispatch(raw, node, operation) { $0.read($1) }
    }
    table.write = { raw, node, bytes, size, offset, info in
      let operation = Op.Write(
        handle: handle(info), offset: Int64(offset), size: size, flags: flags(info),
        lockOwner: info?.pointee.lock_owner ?? 0)
      let content = buffer(bytes, size)
      dispatch(raw, node, operation) { $0.write($1, bytes: content.bytes) }
    }
    table.release = { raw, node, info in
      dispatch(raw, node, Op.Release(handle: handle(info), flags: flags(info))) { $0.release($1) }
    }
    table.poll = { raw, node, info, sleeper in
      let events = PollEvents(rawValue: info?.pointee.poll_events ?? 0)
      let operation = Op.Poll(handle: handle(info), events: events)
      dispatch(raw, node, operation) { filesystem, request in
        var pollHandle: PollHandle?
        if let sleeper, let raw, let link = SessionLink.of(raw) { pollHandle = PollHandle(raw: sleeper, link: link) }
        filesystem.poll(request, handle: pollHandle)
      }
    }
    table.lseek = { raw, node, offset, whence, info in
      guard let origin = SeekOrigin(rawValue: whence) else {
        if let raw { _ = fuse_reply_err(raw, EINVAL) }
        return
      }
      let operation = Op.Lseek(handle: handle(info), offset: Int64(offset), origin: origin)
      dispatch(raw, node, operation) { $0.lseek($1) }
    }
    table.ioctl = { raw, node, command, _, info, flags, input, inputSize, outputSize in
      let operation = Op.Ioctl(
        handle: handle(info), command: command, outputSize: outputSize,
        isDirectory: flags & UInt32(FUSE_IOCTL_DIR) != 0)
      let content = UnsafeRawBufferPointer(start: input, count: input == nil ? 0 : inputSize)
      dispatch(raw, node, operation) { $0.ioctl($1, input: content.bytes) }
    }
    table.fsync = { raw, node, dataOnly, info in
      dispatch(raw, node, Op.Fsync(handle: handle(info), dataOnly: dataOnly != 0)) { $0.fsync($1) }
    }
  }

  private static func addDirectories(_ table: inout fuse_lowlevel_ops) {
    table.opendir = { raw, node, info in dispatch(raw, node, Op.Opendir(flags: flags(info))) { $0.opendir($1) } }
    table.readdir = { raw, node, size, offset, info in
      dispatch(raw, node, Op.Readdir(handle: handle(info), offset: Int64(offset), size: size)) { $0.readdir($1) }
    }
    table.releasedir = { raw, node, info in
      dispatch(raw, node, Op.Releasedir(handle: handle(info))) { $0.releasedir($1) }
    }
    table.fsyncdir = { raw, node, dataOnly, info in
      dispatch(raw, node, Op.Fsyncdir(handle: handle(info), dataOnly: dataOnly != 0)) { $0.fsyncdir($1) }
    }
  }

  private static func addNames(_ table: inout fuse_lowlevel_ops) {
    table.mknod = { raw, parent, name, mode, device in
      dispatch(raw, parent, Op.Mknod(name: text(name), mode: mode, device: UInt64(device))) { $0.mknod($1) }
    }
    table.mkdir = { raw, parent, name, mode in
      dispatch(raw, parent, Op.Mkdir(name: text(name), mode: mode)) { $0.mkdir($1) }
    }
    table.unlink = { raw, parent, name in dispatch(raw, parent, Op.Unlink(name: text(name))) { $0.unlink($1) } }
    table.rmdir = { raw, parent, name in dispatch(raw, parent, Op.Rmdir(name: text(name))) { $0.rmdir($1) } }
    table.symlink = { raw, target, parent, name in
      dispatch(raw, parent, Op.Symlink(name: text(name), target: text(target))) { $0.symlink($1) }
    }
    table.rename = { raw, parent, name, newParent, newName, flags in
      let operation = Op.Rename(
        name: text(name), newParent: NodeID(rawValue: newParent), newName: text(newName), flags: flags)
      dispatch(raw, parent, operation) { $0.rename($1) }
    }
    table.link = { raw, node, newParent, newName in
      let operation = Op.Link(newParent: NodeID(rawValue: newParent), newName: text(newName))
      dispatch(raw, node, operation) { $0.link($1) }
    }
    table.create = { raw, parent, name, mode, info in
      dispatch(raw, parent, Op.Create(name: text(name), mode: mode, flags: flags(info))) { $0.create($1) }
    }
  }

  private static func addExtendedAttributes(_ table: inout fuse_lowlevel_ops) {
    table.setxattr = { raw, node, name, value, size, flags in
      let content = buffer(value, size)
      dispatch(raw, node, Op.Setxattr(name: text(name), flags: flags)) { $0.setxattr($1, value: content.bytes) }
    }
    table.getxattr = { raw, node, name, size in
      dispatch(raw, node, Op.Getxattr(name: text(name), size: size)) { $0.getxattr($1) }
    }
    table.listxattr = { raw, node, size in dispatch(raw, node, Op.Listxattr(size: size)) { $0.listxattr($1) } }
    table.removexattr = { raw, node, name in
      dispatch(raw, node, Op.Removexattr(name: text(name))) { $0.removexattr($1) }
    }
  }
}

/// Makes the request and has the filesystem answer it; without a filesystem the request is dropped, which answers it.
@inline(__always)
private func dispatch<Operation: FuseOperation>(
  _ raw: fuse_req_t?, _ node: fuse_ino_t, _ operation: Operation,
  _ handler: (any FuseFilesystem, consuming Request<Operation>) -> Void
) {
  guard let raw, let userdata = fuse_req_userdata(raw) else { return }
  SessionLink.with(userdata) { link in
    let answer = Answer(raw: raw, link: link, errnoWhenDropped: Operation.errnoWhenDropped)
    let credentials = answer.credentials
    let request = Request(
      node: NodeID(rawValue: node), operation: operation, credentials: credentials, answer: answer)
    guard let filesystem = link.filesystem else { return }
    handler(filesystem, request)
  }
}

private func text(_ name: UnsafePointer<CChar>?) -> String { name.map { String(cString: $0) } ?? "" }

private func buffer(_ bytes: UnsafePointer<CChar>?, _ size: Int) -> UnsafeRawBufferPointer {
  UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : size)
}

private func handle(_ info: UnsafeMutablePointer<fuse_file_info>?) -> FileHandle {
  FileHandle(rawValue: info?.pointee.fh ?? 0)
}

private func optionalHandle(_ info: UnsafeMutablePointer<fuse_file_info>?) -> FileHandle? {
  info.map { FileHandle(rawValue: $0.pointee.fh) }
}

private func flags(_ info: UnsafeMutablePointer<fuse_file_info>?) -> OpenFlags {
  OpenFlags(rawValue: info?.pointee.flags ?? 0)
}
