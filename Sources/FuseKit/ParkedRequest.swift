import Basics
import CFuse3
import Glibc

extension Request {
  /// Keeps the request for a later answer, and lets signals reach its caller: it is answered EINTR when the kernel asks
  /// to interrupt it (`FUSE_INTERRUPT`), and `onInterrupt` is then called on the serving thread.
  public consuming func park(onInterrupt: (@Sendable () -> Void)? = nil) -> ParkedRequest<Operation> {
    let (node, operation, credentials) = (self.node, self.operation, self.credentials)
    return ParkedRequest(
      node: node, operation: operation, credentials: credentials, place: ParkingPlace.park(answer, onInterrupt))
  }
}

/// A request that waits for its answer. One that nobody takes answers EIO when it is dropped.
public final class ParkedRequest<Operation: FuseOperation>: Sendable {
  private let node: NodeID
  private let operation: Operation
  private let credentials: Credentials
  private let place: ParkingPlace

  fileprivate init(node: NodeID, operation: Operation, credentials: Credentials, place: ParkingPlace) {
    self.node = node
    self.operation = operation
    self.credentials = credentials
    self.place = place
  }

  deinit { _ = place.take() }

  /// The request, to be answered now; nil when it was taken before or was interrupted.
  public func take() -> Request<Operation>? {
    guard let answer = place.take() else { return nil }
    return Request(node: node, operation: operation, credentials: credentials, answer: answer)
  }
}

/// Where the answer is until the first of two takes it: who has it ready, or the interrupt.
///
/// Locks: libfuse holds the request's own lock while it calls the interrupt function, which takes `lock`; so nothing of
/// libfuse is called with `lock` held. While the place is registered, libfuse's pointer to it counts as a reference.
private final class ParkingPlace: @unchecked Sendable {
  private enum Phase {
    /// The interrupt function is being set; libfuse calls it at once if the interrupt came before.
    case registering
    case interruptedWhileRegistering
    /// The answer is here, or was taken.
    case registered
  }

  private let lock = Lock()
  private var phase = Phase.registering
  private var answer: Answer?
  private let onInterrupt: (@Sendable () -> Void)?

  private init(_ onInterrupt: (@Sendable () -> Void)?) { self.onInterrupt = onInterrupt }

  static func park(_ answer: consuming Answer, _ onInterrupt: (@Sendable () -> Void)?) -> ParkingPlace {
    let place = ParkingPlace(onInterrupt)
    let function: fuse_interrupt_func_t = { _, place in
      guard let place else { return }
      Unmanaged<ParkingPlace>.fromOpaque(place).takeUnretainedValue().interrupt()
    }
    fuse_req_interrupt_func(answer.raw, function, Unmanaged.passRetained(place).toOpaque())
    if let early = place.settle(answer) {
      place.deregister(early.raw)
      early.give { fuse_reply_err($0, EINTR) }
      onInterrupt?()
    }
    return place
  }

  /// Puts the answer here, or gives it back when the interrupt was faster.
  private func settle(_ answer: consuming Answer) -> Answer? {
    lock.lock()
    defer { lock.unlock() }
    switch phase {
    case .interruptedWhileRegistering:
      phase = .registered
      return answer
    case .registering, .registered:
      phase = .registered
      self.answer = consume answer
      return nil
    }
  }

  func take() -> Answer? {
    guard let answer = leave() else { return nil }
    deregister(answer.raw)
    return answer
  }

  private func leave() -> Answer? {
    lock.lock()
    defer { lock.unlock() }
    switch phase {
    case .registering, .interruptedWhileRegistering:
      phase = .interruptedWhileRegistering
      return nil
    case .registered:
      return answer.take()
    }
  }

  /// Called by libfuse, with the request's lock held: answering frees the request after that lock is let go, but
  /// `fuse_req_interrupt_func` must not be called here.
  private func interrupt() {
    guard let answer = leave() else { return }
    answer.give { fuse_reply_err($0, EINTR) }
    onInterrupt?()
    Unmanaged.passUnretained(self).release()
  }

  private func deregister(_ raw: fuse_req_t) {
    fuse_req_interrupt_func(raw, nil, nil)
    Unmanaged.passUnretained(self).release()
  }
}
