import SEAM
import SystemPackage

/// CPU hotplug (kernel-abi.md 5.8).
extension LinuxHost {
  /// Takes `cpu` offline. EBUSY for CPU 0, which is always online, and for the last online CPU of a package while any TD
  /// exists; ENODEV for a CPU that is not present. Offline already is success. Must not be called while
  /// ``isHotplugLocked``: EAGAIN. vCPUs that are associated with it are flushed.
  public mutating func takeOffline(_ cpu: Int, door: some SEAMCALLDoor) throws(Errno) {
    try checkHotplug(cpu)
    guard isOnline[cpu] else { return }
    guard cpu != 0 else { throw .resourceBusy }
    let package = configuration.packages[cpu]
    let isLast = !onlineCPUs.contains { $0 != cpu && configuration.packages[$0] == package }
    if hasHotplugCallbacks, tdsExist, isLast {
      log.append(
        .warning,
        "virt/tdx: TDX requires all packages to have an online CPU. "
          + "Delete all TDs in order to offline all CPUs of a package.")
      throw .resourceBusy
    }
    flushVCPUs(on: cpu, door: door)
    isOnline[cpu] = false
  }

  /// Takes `cpu` online: TDH.SYS.INIT if nobody did it, then TDH.SYS.LP.INIT if the CPU lost or never had it. After a
  /// fatal update failure that hits the cached error, and the CPU stays offline with that errno.
  public mutating func takeOnline(_ cpu: Int, door: some SEAMCALLDoor) throws(Errno) {
    try checkHotplug(cpu)
    guard !isOnline[cpu] else { return }
    if hasHotplugCallbacks, let errno = enableCPU(cpu, door: door) { throw errno }
    isOnline[cpu] = true
  }

  private func checkHotplug(_ cpu: Int) throws(Errno) {
    guard isOnline.indices.contains(cpu) else { throw .operationNotSupportedByDevice }
    guard !isHotplugLocked else { throw .resourceTemporarilyUnavailable }
  }
}
