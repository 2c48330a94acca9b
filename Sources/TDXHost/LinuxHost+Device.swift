import SEAM
import SystemPackage

/// Loading `tdx_host`: which of its parts are made.
extension LinuxHost {
  /// `tdx_host_init` and probe. Called once, at the end of ``boot(door:)``; visibility is never evaluated again.
  mutating func createDevice(door: some SEAMCALLDoor) {
    device = nil
    cachedInfo = nil
    guard isModuleInitialized else { return }
    let rules = profile.visibility
    guard areMet(rules.device, door: door) else { return }
    let files = areMet(rules.seamldrFiles, door: door)
    let upload = areMet(rules.upload, door: door)
    device = HostDevice(hasSEAMLDRFiles: files, hasUpload: upload)
    _ = areMet(rules.remarks, door: door)
  }

  /// Looks at one condition after the other, up to the first that is not met; that one's line is logged.
  private mutating func areMet(_ conditions: [VisibilityRule.Condition], door: some SEAMCALLDoor) -> Bool {
    for condition in conditions {
      guard let errno = obstacle(condition.requirement, door: door) else { continue }
      if let line = condition.line {
        log.append(condition.level, line.replacingNumber(with: -errno.rawValue))
      }
      return false
    }
    return true
  }

  /// Why a requirement is not met; nil where it is.
  private mutating func obstacle(_ requirement: VisibilityRule.Requirement, door: some SEAMCALLDoor) -> Errno? {
    switch requirement {
    case .tdPreserving: return sysInfo.features.contains(.tdPreserving) ? nil : .notSupported
    case .noSEAMRETErratum: return configuration.hasSEAMRETErratum ? .notSupported : nil
    case .loaderInfo, .remainingUpdates:
      do throws(SEAMCALLFailure) {
        let info = if let cachedInfo { cachedInfo } else { try seamldrInfo(on: 0, door: door) }
        cachedInfo = info
        return requirement == .remainingUpdates && info.numRemainingUpdates == 0 ? .notSupported : nil
      } catch {
        return error.errno
      }
    }
  }
}

extension String {
  /// The line of a log with its `%d` replaced.
  func replacingNumber(with number: Int32) -> String {
    guard let place = firstRange(of: "%d") else { return self }
    return self[..<place.lowerBound] + "\(number)" + self[place.upperBound...]
  }
}
