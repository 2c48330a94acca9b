import Glibc

/// A thread that runs one function.
package final class Thread: Sendable {
  private final class Start: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  private let identifier: pthread_t?

  package init(_ body: @escaping @Sendable () -> Void) {
    let start = Unmanaged.passRetained(Start(body))
    var identifier = pthread_t()
    let result = pthread_create(
      &identifier, nil,
      { start in
        guard let start else { return nil }
        Unmanaged<Start>.fromOpaque(start).takeRetainedValue().body()
        return nil
      }, start.toOpaque())
    if result != 0 { start.release() }
    self.identifier = result == 0 ? identifier : nil
  }

  /// Waits until the function has returned.
  package func join() {
    if let identifier { pthread_join(identifier, nil) }
  }
}
