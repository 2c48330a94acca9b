import ControlTree
import FuseKit
import Kernfs
import KernfsFuse
import Platform
import SystemPackage

#if canImport(Glibc)
  import Glibc
#endif

/// A machine and the place where it is to be mounted.
struct MachineMountPoint {
  /// The mount point.
  let path: String
  /// What /proc/mounts shows as the source.
  let source: String
  /// The options.
  let options: MountOptions
  /// The state in which the machine begins; nil for one that is powered on.
  var snapshot: [UInt8]?

  /// Powers the machine on and mounts it; calls `body` when all is ready but for mount(2): a signal to end that comes later has
  /// to wait until there is something that unmounts.
  func mount(before body: () -> Void = {}) throws -> MountedSession {
    let machine: EmulatedMachine
    do {
      machine = try EmulatedMachine(
        options: options.machine,
        readFile: { String(decoding: try MountedMachine.readFile(FilePath($0)), as: UTF8.self) })
    } catch {
      throw Failure.refused(error.description)
    }
    // An update that was under way goes on when the process has given up what it does not need.
    machine.worker.hold()
    let stateFile = try prepareState(of: machine)
    let capabilities = CallerCapabilities()
    let (uid, gid) = (geteuid(), getegid())
    let files = MachineFiles(
      machine: machine,
      environment: MachineFilesEnvironment(
        uid: uid, gid: gid, timeOfDay: { .now() },
        mayWriteRawIO: { caller in
          // Mounted by a user, that user stands for root.
          uid != 0 && caller.uid == uid || capabilities.has(.sysRawIO, caller)
        }),
      extra: options.machine.control ? [ControlDirectory.entry(for: machine)] : [])
    let filesystem = KernfsFilesystem(files.tree, capabilities: capabilities)
    do {
      return MountedSession(
        machine: machine, files: files, stateFile: stateFile, session: try session(serving: filesystem, before: body))
    } catch {
      throw Failure.refused(error.description)
    }
  }

  /// Brings the machine into the state that it is to begin in, and gives the file that keeps it.
  private func prepareState(of machine: EmulatedMachine) throws -> StateFile? {
    do {
      if let snapshot { try machine.restore(snapshot, log: "restored from a snapshot") }
      guard let path = options.state else { return nil }
      let file = try StateFile(path: path)
      _ = try file.load(into: machine)
      return file
    } catch {
      throw Failure.refused("\(error)")
    }
  }

  private func session(
    serving filesystem: KernfsFilesystem, before body: () -> Void
  ) throws(SessionError) -> Session {
    var session = SessionOptions(source: source, subtype: "tdxfs")
    session.allowsOthers = geteuid() == 0 || options.fuse.contains("allow_other")
    session.mountOptions = options.fuse.filter { $0 != "allow_other" && $0 != "default_permissions" }
    if geteuid() == 0 {
      // Without these words libfuse adds nosuid and nodev, which sysfs has not.
      if !session.mountOptions.contains("nosuid") { session.mountOptions.append("suid") }
      if !session.mountOptions.contains("nodev") { session.mountOptions.append("dev") }
    }
    let turn = MountTurn(at: Self.absolute(path))
    defer { withExtendedLifetime(turn) {} }
    if Self.isDead(path) { try replaceDeadMount() }
    if Self.isMounted(path) {
      throw .failed(reason: "\(path) is a tdxfs mount already; unmount it first: fusermount3 -u \(path)")
    }
    body()
    let mounted = try Session(mounting: filesystem, at: path, options: session)
    if !session.allowsOthers {
      Output.complain(
        "only uid \(geteuid()) can enter \(path); for others, -o allow_other and user_allow_other in /etc/fuse.conf")
    }
    return mounted
  }

  /// A FUSE filesystem whose process is gone is mounted at `path`. Asked by statfs(2), which no cache answers.
  static func isDead(_ path: String) -> Bool {
    var status = statvfs()
    return statvfs(path, &status) != 0 && errno == ENOTCONN
  }

  /// Takes away every dead tdxfs at `path`.
  static func removeDead(at path: String) {
    let detach: Int32 = 2
    while isDead(path), isMounted(path), umount2(path, detach) == 0 {}
  }

  /// A tdxfs is mounted here, dead or alive.
  private static func isMounted(_ path: String) -> Bool {
    guard let resolved = absolute(path) else { return false }
    return (try? MountedMachine.mounts().contains { $0.mountPoint == resolved }) ?? false
  }

  /// The path without symbolic links; of a dead mount, whose root nobody can look at, with its parent's resolved.
  private static func absolute(_ path: String) -> FilePath? {
    if let resolved = realpath(path, nil) {
      defer { free(resolved) }
      return FilePath(platformString: resolved)
    }
    let path = FilePath(path)
    let parent = path.removingLastComponent()
    guard let name = path.lastComponent, let resolved = realpath(parent.isEmpty ? "." : parent.string, nil) else {
      return nil
    }
    defer { free(resolved) }
    return FilePath(platformString: resolved).appending(name)
  }

  /// A daemon that was killed leaves a mount behind that answers nobody.
  private func replaceDeadMount() throws(SessionError) {
    Self.removeDead(at: path)
    if Self.isDead(path) { throw .mountPointDead(path) }
    let fate = options.state == nil ? "; its machine is lost, this one is new" : ""
    Output.complain("removed the dead mount on \(path), whose tdxfs was killed\(fate)")
  }
}

/// A mounted machine that waits to be served, once.
final class MountedSession: @unchecked Sendable {
  /// The machine.
  let machine: EmulatedMachine
  /// Ends ``serve(stoppingOnSignals:)`` from another thread.
  let control: SessionControl
  private let files: MachineFiles
  private let stateFile: StateFile?
  private var session: Session?

  init(machine: EmulatedMachine, files: MachineFiles, stateFile: StateFile?, session: consuming Session) {
    self.machine = machine
    self.files = files
    self.stateFile = stateFile
    control = session.control
    self.session = consume session
    guard let stateFile else { return }
    // It is the machine that calls, so it is there; a weak reference would make every counting of references slower.
    machine.onSettled = { [unowned(unsafe) machine] in stateFile.save(machine) }
    stateFile.save(machine, always: true)
  }

  /// Unmounts what is not going to be served.
  func giveUp() { _ = session.take() }

  /// Serves until the mount is gone or a signal ends it.
  func serve(stoppingOnSignals: Bool = true) throws {
    guard let session = session.take() else { return }
    machine.worker.release()
    // The machine only knows its files weakly.
    defer { withExtendedLifetime(files) {} }
    // An update that is under way is saved as it is, and goes on at the next mount.
    defer { stateFile?.save(machine, always: true) }
    do {
      try session.serve(stoppingOnSignals: stoppingOnSignals)
    } catch {
      throw Failure.refused(error.description)
    }
  }
}
