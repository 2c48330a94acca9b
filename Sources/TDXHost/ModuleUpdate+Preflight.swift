import SEAM
import SystemPackage

/// What is looked at before any CPU is stopped (kernel-abi.md 4.3).
extension ModuleUpdate {
  /// Applies one check; gives the SEAMCALL that it needs.
  mutating func check(
    _ check: PreflightCheck, index: Int, host: inout LinuxHost, door: some SEAMCALLDoor
  ) -> Pending? {
    switch check {
    case .seamldrInfo:
      guard loaderInfo != nil else {
        return Pending(
          call: KernelCall(.info, rcx: host.infoBuffer(), on: host.onlineCPUs.first ?? 0), purpose: .loaderInfo)
      }
    case .remainingUpdates:
      if loaderInfo?.numRemainingUpdates == 0 {
        refuse(check, .noSpace, "no updates remain", host: &host)
        return nil
      }
    case .allocation:
      // The image is known to be sound only after all checks, so its pages are taken in begin().
      guard let page = host.pages.allocate() else {
        refuse(check, .noMemory, "the kernel has no memory for SEAMLDR_PARAMS", host: &host)
        return nil
      }
      host.pages.free([page])
    case .everyCPUOnline(let line):
      let offline = host.offlineCPUs
      if !offline.isEmpty {
        if let line { host.log.append(.error, line) }
        refuse(
          check, .resourceBusy, "CPU \(offline.map(String.init).joined(separator: ", ")) is offline", host: &host)
        return nil
      }
    case .image(let imageCheck):
      do throws(ImageRefusal) {
        try imageCheck.apply(to: image, layout: host.profile.layout)
      } catch {
        refuse(check, .invalidArgument, error.sentence, host: &host)
        return nil
      }
    }
    phase = .preflight(index + 1)
    return nil
  }

  /// The end of a preflight INFO call.
  mutating func completeLoaderInfo(
    _ call: KernelCall, _ result: SEAMCALLResult, host: inout LinuxHost, door: some SEAMCALLDoor
  ) {
    do throws(SEAMCALLFailure) {
      _ = try host.settle(call, result)
      loaderInfo = SEAMLDRInfo(door.readPhysical(call.registers.rcx, count: SEAMLDRInfo.size))
    } catch {
      record.failures.append(error)
      record.cause = error
      let check = host.profile.preflight.first { if case .seamldrInfo = $0 { true } else { false } }
      guard case .seamldrInfo(let errno)? = check else { return finish(host: &host) }
      refuse(
        .seamldrInfo(failure: errno), errno ?? error.errno, "the P-SEAMLDR's INFO call failed", host: &host)
    }
  }
}
