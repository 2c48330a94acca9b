import Basics
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
          call: KernelCall(.info, rcx: host.infoBuffer(), on: host.firstOnlineCPU), purpose: .loaderInfo)
      }
    case .remainingUpdates:
      if (loaderInfo ?? host.cachedInfo)?.numRemainingUpdates == 0 {
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
    case .image(let imageCheck, let line):
      do throws(ImageRefusal) {
        try imageCheck.apply(to: image, layout: host.profile.layout)
      } catch {
        if let line { host.log.append(.error, ImageLayout.naming(versionOf: image, in: line)) }
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
      loaderInfo = SEAMLDRInfo.read(at: call.registers.rcx, door: door)
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

extension ImageLayout {
  /// `line` with `%u` and `%x` replaced by the version in the header of `image`.
  static func naming(versionOf image: [UInt8], in line: String) -> String {
    let version: UInt16 = (try? ByteReader(image).integer(at: ImageHeader.version)) ?? 0
    for (conversion, radix) in [("%u", 10), ("%x", 16)] {
      guard let place = line.firstRange(of: conversion) else { continue }
      return line[..<place.lowerBound] + String(version, radix: radix) + line[place.upperBound...]
    }
    return line
  }
}
