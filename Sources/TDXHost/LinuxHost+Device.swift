import SEAM
import SystemPackage

/// Loading `tdx_host`: which of its parts are made.
extension LinuxHost {
  /// `tdx_host_init` and probe. Called once, at the end of ``boot(door:)``; visibility is never evaluated again.
  mutating func createDevice(door: some SEAMCALLDoor) {
    device = nil
    guard isModuleInitialized else { return }
    let rules = profile.visibility
    for requirement in rules.device where !satisfies(requirement, door: door) {
      if let line = requirement.refusal { log.append(.error, line) }
      return
    }
    let files = rules.seamldrFiles.allSatisfy { satisfies($0, door: door) }
    let upload = rules.upload.allSatisfy { satisfies($0, door: door) }
    device = HostDevice(hasSEAMLDRFiles: files, hasUpload: upload)
  }

  private mutating func satisfies(_ requirement: VisibilityRule.Requirement, door: some SEAMCALLDoor) -> Bool {
    switch requirement {
    case .tdPreserving: return sysInfo.features.contains(.tdPreserving)
    case .noSEAMRETErratum: return !configuration.hasSEAMRETErratum
    case .loaderInfo, .remainingUpdates:
      do throws(SEAMCALLFailure) {
        let info = try seamldrInfo(on: 0, door: door)
        return requirement == .loaderInfo || info.numRemainingUpdates > 0
      } catch {
        if requirement == .loaderInfo {
          log.append(.error, "virt/tdx: failed to get seamldr info -\(error.errno.rawValue)")
        }
        return false
      }
    }
  }
}
