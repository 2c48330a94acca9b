import Basics
import CFuse3
import Glibc
import Synchronization
import SystemPackage

/// libfuse's session and what its callbacks need. Everybody who may still call libfuse holds a reference (requests,
/// poll handles, notifiers), so the session is destroyed by whoever lets go last.
///
/// Descriptors: libfuse owns the one that it mounted with. Reads and answers go through two copies of it, because a
/// copy can be replaced by /dev/null at any time without a race: a thread that enters read(2) afterwards meets the end
/// of the file, and an answer that comes too late goes nowhere instead of into a file that got the number meanwhile.
final class SessionLink: @unchecked Sendable {
  /// libfuse's session; its functions accept nil.
  @exclusivity(unchecked) private(set) var session: OpaquePointer?
  /// The filesystem while it is mounted. Only written before the first request and after the last.
  @exclusivity(unchecked) private(set) var filesystem: (any FuseFilesystem)?

  private let maximumWrite: UInt32
  /// Guards the thread and the stop; nothing is called with it held that takes another lock.
  private let lock = Lock()
  private var servingThread: pthread_t?
  private var isStopped = false
  @exclusivity(unchecked) private var hasStarted = false
  @exclusivity(unchecked) private var readDescriptor: Int32 = -1
  @exclusivity(unchecked) private var answerDescriptor: Int32 = -1
  /// /dev/null, which takes the place of the connection when the session is stopped; opened while descriptors can be had,
  /// because the end must not fail for want of one.
  @exclusivity(unchecked) private var nullDescriptor: Int32 = -1
  private let wasSignalled = Atomic(false)
  private let direct = DirectAnswers()
  private var place: Place?
  @exclusivity(unchecked) private var isAgreed = false

  /// Where requests come from.
  private enum Place {
    /// From callers of what is mounted at a path, on a device of this number.
    case mounted(path: String, device: Int64)
    /// From whoever holds the other end of the descriptor.
    case connected
  }

  init(filesystem: any FuseFilesystem, options: SessionOptions) throws(SessionError) {
    self.filesystem = filesystem
    self.maximumWrite = UInt32(clamping: min(max(options.maximumWrite, 4097), 1 << 20))
    var arguments = fuse_args()
    defer { fuse_opt_free_args(&arguments) }
    for argument in options.arguments where fuse_opt_add_arg(&arguments, argument) != 0 {
      throw .failed(reason: "out of memory")
    }
    var table = OperationTable.make()
    let userdata = Unmanaged.passUnretained(self).toOpaque()
    let (made, messages) = LibfuseMessages.during {
      fuse_session_new(&arguments, &table, MemoryLayout<fuse_lowlevel_ops>.size, userdata)
    }
    guard let made else { throw .optionRefused(reason: messages) }
    session = made
  }

  deinit {
    if let session { fuse_session_destroy(session) }
    for descriptor in [readDescriptor, answerDescriptor, nullDescriptor] where descriptor >= 0 { close(descriptor) }
  }

  static func from(_ userdata: UnsafeMutableRawPointer) -> SessionLink {
    Unmanaged<SessionLink>.fromOpaque(userdata).takeUnretainedValue()
  }

  /// Runs `body` on the link, which whoever calls keeps alive meanwhile, without counting a reference.
  @inline(__always)
  static func with<Result>(_ userdata: UnsafeMutableRawPointer, _ body: (SessionLink) -> Result) -> Result {
    Unmanaged<SessionLink>.fromOpaque(userdata)._withUnsafeGuaranteedRef(body)
  }

  @inline(__always)
  static func of(_ request: fuse_req_t) -> SessionLink? { fuse_req_userdata(request).map(from) }

  // MARK: Mount and unmount

  func mount(at path: String) throws(SessionError) {
    try openNull()
    let (result, messages) = LibfuseMessages.during { fuse_session_mount(session, path) }
    guard result == 0 else { throw MountPoint.explain(path, messages) }
    place = .mounted(path: path, device: cfuse3_device(path))
    try use(fuse_session_fd(session))
  }

  private func openNull() throws(SessionError) {
    nullDescriptor = Glibc.open("/dev/null", O_RDWR | O_CLOEXEC)
    guard nullDescriptor >= 0 else { throw .failed(reason: "/dev/null: \(Errno(rawValue: errno))") }
  }

  /// Serves `descriptor` instead of a mount; libfuse owns it from now on.
  func connect(over descriptor: Int32) throws(SessionError) {
    try openNull()
    place = .connected
    try use(descriptor)
  }

  private func use(_ descriptor: Int32) throws(SessionError) {
    readDescriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
    answerDescriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
    var transport = SessionTransport.make()
    guard readDescriptor >= 0, answerDescriptor >= 0, nullDescriptor >= 0,
      fuse_session_custom_io(session, &transport, descriptor) == 0
    else {
      let reason = "no descriptor for the connection"
      end()
      throw .failed(reason: reason)
    }
  }

  /// Unmounts and lets the filesystem go. Requests without an answer are aborted by the kernel.
  func end() {
    guard let place else { return }
    self.place = nil
    silence(readDescriptor)
    silence(answerDescriptor)
    switch place {
    // Another filesystem may have been mounted at the path since; that one is left alone.
    case .mounted(let path, let device) where device == cfuse3_device(path):
      // Who may, aborts first what waits for answers: else a notice that waits for a page which a read holds would keep the
      // connection, and the reader with it. libfuse would also take a connection that was aborted already (fusectl, umount -f)
      // for a mount that has gone.
      umount2(path, Int32(MNT_FORCE) | Int32(MNT_DETACH))
      _ = LibfuseMessages.during { fuse_session_unmount(session) }
    case .mounted, .connected:
      silence(fuse_session_fd(session))
    }
    let filesystem = self.filesystem
    self.filesystem = nil
    if hasStarted { filesystem?.stop() }
  }

  private func silence(_ descriptor: Int32) {
    guard descriptor >= 0, nullDescriptor >= 0 else { return }
    _ = cfuse3_replace(nullDescriptor, descriptor)
  }

  // MARK: Serve and stop

  /// Serves requests on this thread until the mount is gone or ``stop()`` is called.
  func serve() throws(SessionError) {
    WakeSignal.install()
    var mask = WakeSignal.unblock()
    defer { pthread_sigmask(SIG_SETMASK, &mask, nil) }
    lock.withLock { servingThread = pthread_self() }
    let result = fuse_session_loop(session)
    let wasStopped = lock.withLock {
      servingThread = nil
      return isStopped
    }
    guard result < 0, !wasStopped, !wasSignalled.load(ordering: .acquiring) else { return }
    throw .connectionLost(Errno(rawValue: -result))
  }

  /// Ends ``serve()``, now or before it begins. A thread before its read(2) meets the end of the file there, one inside
  /// is interrupted by the signal.
  func stop() {
    lock.withLock {
      guard !isStopped else { return }
      isStopped = true
      fuse_session_exit(session)
      silence(readDescriptor)
      if let servingThread { pthread_kill(servingThread, WakeSignal.number) }
    }
  }

  /// The same for a signal handler, which may have interrupted anything: no lock, no memory, and it does not wake the
  /// serving thread.
  func stopFromSignalHandler() {
    wasSignalled.store(true, ordering: .releasing)
    fuse_session_exit(session)
    silence(readDescriptor)
  }

  // MARK: Called by libfuse

  /// `init`: what is agreed with the kernel, and the filesystem's start.
  func start(_ connection: inout fuse_conn_info) {
    Capabilities.choose(&connection)
    hasStarted = true
    filesystem?.start(Notifier(link: self))
  }

  /// The next message that is libfuse's to answer.
  @inline(__always)
  func read(_ buffer: UnsafeMutableRawPointer?, _ size: Int) -> Int {
    while true {
      let count = cfuse3_read(readDescriptor, buffer, size)
      guard count > 0, hasStarted, let filesystem,
        direct.give(UnsafeRawBufferPointer(start: buffer, count: count), filesystem, to: answerDescriptor)
      else { return count }
    }
  }

  @inline(__always)
  func answer(_ vector: UnsafeMutablePointer<iovec>?, _ count: Int32) -> Int {
    if !isAgreed {
      isAgreed = SessionTransport.limitWrites(vector, count, to: maximumWrite)
    }
    return SessionTransport.send(UnsafeBufferPointer(start: vector, count: Int(count)), to: answerDescriptor)
  }
}
