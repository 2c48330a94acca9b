/// A request that is answered later, by any thread, and not before: signals do not reach its caller meanwhile. For
/// answers that are certain to come soon; one that may take long is parked (``Request/park(onInterrupt:)``).
public final class KeptRequest<Operation: FuseOperation>: @unchecked Sendable {
  // Handed from thread to thread, never shared: only who takes it touches it.
  private var request: Request<Operation>?

  fileprivate init(_ request: consuming Request<Operation>) {
    self.request = consume request
  }

  /// The request, to be answered now; nil when it was taken before.
  public func take() -> Request<Operation>? { request.take() }
}

extension Request {
  /// Keeps the request for a later answer. Dropped, it answers EIO.
  public consuming func keep() -> KeptRequest<Operation> { KeptRequest(self) }
}
