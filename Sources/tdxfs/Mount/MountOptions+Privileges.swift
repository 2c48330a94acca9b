import Confinement

#if canImport(Glibc)
  import Glibc
#endif

extension MountOptions {
  /// Gives up what serving a mount with these options does not take, for good: of the whole process, or of the calling thread
  /// and of those that it starts.
  ///
  /// Only root has something to give up. Anybody else unmounts by fusermount3, which gains its privileges by being
  /// executed.
  func giveUpPrivileges(ofThreadOnly: Bool = false) {
    guard geteuid() == 0 else { return }
    let keepsState = state != nil
    let kept: [KeptCapability] = [.readSearch, .ptrace, .admin] + (keepsState ? [.override] : [])
    do {
      if ofThreadOnly {
        try Confinement.confineThread(keeping: kept, writingFiles: keepsState)
      } else {
        try Confinement.confine(keeping: kept, writingFiles: keepsState)
      }
    } catch {
      Output.complain("keeps privileges that it does not need: \(error)")
    }
  }
}
