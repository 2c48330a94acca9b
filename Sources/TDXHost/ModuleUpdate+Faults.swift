import SEAM

/// What befalls an update from outside.
extension ModuleUpdate {
  /// Decides which SEAMCALL the next step makes (``nextCall``), if that is not decided yet: what needs none is done.
  public mutating func decide(host: inout LinuxHost, door: some SEAMCALLDoor) {
    if pending == nil { pending = advance(host: &host, door: door) }
  }

  /// `cpu` is lost: from now on it takes part in nothing. As on hardware nobody else learns of it: a firmware that waits
  /// for all LPs waits, and a kernel that does not look at offline CPUs goes on. CPU 0 is never lost.
  public mutating func drop(_ cpu: Int, host: inout LinuxHost) {
    guard host.isOnline.indices.contains(cpu), host.isOnline[cpu] else { return }
    host.drop(cpu)
    guard !host.isOnline[cpu] else { return }
    waiting.removeAll { $0 == cpu }
    if let call = pending, call.call.lp == cpu { pending = nil }
    record.offlineCPUs = host.offlineCPUs
    record.onlineCPUs = host.onlineCPUs.count
  }
}

extension LinuxHost {
  /// `cpu` goes offline in no orderly way: no rule of ``takeOffline(_:door:)`` holds, but that CPU 0 stays.
  public mutating func drop(_ cpu: Int) {
    guard cpu != 0, isOnline.indices.contains(cpu) else { return }
    isOnline[cpu] = false
  }
}
