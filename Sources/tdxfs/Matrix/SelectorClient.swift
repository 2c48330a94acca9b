import ModuleImage

#if canImport(Glibc)
  import Glibc
#endif

/// The revisions of Intel's selector script, by what they look for (kernel-abi.md 3.5).
struct SelectorRevision: Equatable {
  /// The upload device.
  let upload: String
  /// Below ``device``: the loader's version.
  let loaderVersion: String
  /// Whether `tdx_host/num_remaining_updates` and the lists of CPUs are looked at.
  let looksAtMachine: Bool

  /// Where all of them find the module.
  static let device = "/sys/devices/faux/tdx_host"

  /// Up to 7a16224.
  static let old = SelectorRevision(
    upload: "/sys/class/firmware/seamldr_upload", loaderVersion: "seamldr/version", looksAtMachine: false)
  /// 7cabf1d8.
  static let hybrid = SelectorRevision(
    upload: "/sys/class/firmware/seamldr_upload", loaderVersion: "seamldr/version", looksAtMachine: true)
  /// 0a98285.
  static let new = SelectorRevision(
    upload: "/sys/class/firmware/tdx_module", loaderVersion: "seamldr_version", looksAtMachine: true)

  /// Which revision the script `source` is.
  init(source: String) {
    if source.contains("firmware/tdx_module") {
      self = .new
    } else {
      self = source.contains("num_remaining_updates") ? .hybrid : .old
    }
  }

  private init(upload: String, loaderVersion: String, looksAtMachine: Bool) {
    self.upload = upload
    self.loaderVersion = loaderVersion
    self.looksAtMachine = looksAtMachine
  }
}

/// A client that asks, decides and uploads as Intel's selector does, told to install one version.
struct SelectorClient {
  let revision: SelectorRevision
  /// The image, and the version by which the script finds it.
  let image: String
  let version: ModuleVersion
  /// CPUID.1.EAX.
  let signature: UInt32

  func run() throws(ClientStop) -> ClientVerdict {
    guard let release = ReleaseTable.release(version) else { throw .skipped("\(version) is not in the mapping file") }
    let current = try moduleVersion("version")
    if revision.looksAtMachine { try lookAtMachine() }
    let bytes = try content()
    try decide(release, bytes: bytes, current: current)
    guard access(revision.upload, F_OK) == 0 else { return .missingFile(revision.upload) }
    try ClientFiles.replace(revision.upload + "/loading", with: Array("1".utf8))
    try ClientFiles.replace(revision.upload + "/data", with: bytes)
    try ClientFiles.replace(revision.upload + "/loading", with: Array("0".utf8))
    let outcome = try ClientFiles.outcome(of: revision.upload)
    _ = try? moduleVersion("version")
    return outcome
  }

  private func lookAtMachine() throws(ClientStop) {
    let cpus = "/sys/devices/system/cpu/"
    let remaining = try ClientFiles.text(SelectorRevision.device + "/num_remaining_updates")
    guard Int(remaining) ?? 0 > 0 else { throw .skipped("no updates remain") }
    let (online, present) = (try ClientFiles.text(cpus + "online"), try ClientFiles.text(cpus + "present"))
    guard online == present else { throw .skipped("CPUs are offline: online \(online), present \(present)") }
  }

  private func decide(_ release: ModuleRelease, bytes: [UInt8], current: ModuleVersion) throws(ClientStop) {
    let loader = try moduleVersion(revision.loaderVersion)
    guard release.minSEAMLDRVersions.contains(where: { $0.isSameLine(as: loader) && $0 <= loader }) else {
      throw .skipped("incompatible with P-SEAMLDR \(loader)")
    }
    // The script looks for the sigstruct at 0x1000, whatever the header.
    guard let sigstruct = SEAMSigstruct(bytes.dropFirst(4096)) else { throw .skipped("cannot read the image") }
    guard sigstruct.cpuidTable.contains(where: { $0 & ~0xF == signature & ~0xF }) else {
      throw .skipped("incompatible with this CPU")
    }
    guard !sigstruct.isDebugSigned else { throw .skipped("a debug image") }
    guard version.isSameLine(as: current), version >= current, release.minVersionForTDPreserving <= current else {
      throw .skipped("\(current) to \(version) does not keep TDs")
    }
  }

  private func content() throws(ClientStop) -> [UInt8] {
    do { return try ImageFiles.read(image) } catch { throw .skipped(error.description) }
  }

  private func moduleVersion(_ file: String) throws(ClientStop) -> ModuleVersion {
    let path = "\(SelectorRevision.device)/\(file)"
    let text = try ClientFiles.text(path)
    guard let version = ModuleVersion(text) else { throw .failed("\(path) says '\(text)'") }
    return version
  }
}
