import ModuleImage
import SEAM
import SystemPackage

/// The files that ask the P-SEAMLDR (`seamldr_get_info`). They work also when the module is lost.
extension LinuxHost {
  /// `seamldr_version_show`: an INFO call on every read, but for the profile that caches. Errors are the call's (kernel-abi.md 5.5), or what the
  /// profile makes of them.
  public mutating func seamldrVersion(door: some SEAMCALLDoor) throws(Errno) -> ModuleVersion {
    try read(door: door).version
  }

  /// `num_remaining_updates_show`: the same call, another field.
  public mutating func numRemainingUpdates(door: some SEAMCALLDoor) throws(Errno) -> UInt32 {
    try read(door: door).numRemainingUpdates
  }

  private mutating func read(door: some SEAMCALLDoor) throws(Errno) -> SEAMLDRInfo {
    if profile.seamldrReadError == .cached, let cachedInfo { return cachedInfo }
    do throws(SEAMCALLFailure) {
      return try seamldrInfo(on: firstOnlineCPU, door: door)
    } catch {
      throw profile.seamldrReadError.errno(of: error.errno)
    }
  }

  /// INFO on `lp`.
  mutating func seamldrInfo(on lp: Int, door: some SEAMCALLDoor) throws(SEAMCALLFailure) -> SEAMLDRInfo {
    let buffer = infoBuffer()
    // Of a success nobody wants the registers, and handing them on takes longer than the call.
    let first = door.seamcall(Registers(rax: LoaderLeaf.info.rawValue, rcx: buffer), on: lp)
    if first.linuxStatus != 0 { try settleInfo(KernelCall(.info, rcx: buffer, on: lp), first, door: door) }
    return SEAMLDRInfo.read(at: buffer, door: door)
  }

  @inline(never)
  private mutating func settleInfo(
    _ call: KernelCall, _ first: SEAMCALLResult, door: some SEAMCALLDoor
  ) throws(SEAMCALLFailure) {
    _ = try settle(call, execute(call, first, door: door))
  }

  /// Where INFO writes: a page that is taken once. Without memory it is address 0, which nobody else uses.
  mutating func infoBuffer() -> UInt64 {
    if let infoPage { return infoPage }
    infoPage = pages.allocate()
    return infoPage ?? 0
  }
}
