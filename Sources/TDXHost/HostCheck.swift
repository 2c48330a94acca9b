import Basics
import SEAM

extension LinuxHost {
  /// Whether it is a state that the kernel `name` can have on a machine of `expected`: what came out of an archive may be
  /// anything of the right type, and nothing may trap on it later.
  public func check(profile name: String, _ expected: HostConfiguration) throws(ArchiveError) {
    try ArchiveCheck.require(profile.name == name, "the kernel is \(profile.name), not \(name)")
    try ArchiveCheck.require(configuration == expected, "the kernel was booted on another machine")
    try ArchiveCheck.count(isLPInitialized, is: expected.presentCPUs, "the kernel's table of initialised CPUs")
    try ArchiveCheck.count(isOnline, is: expected.presentCPUs, "the kernel's table of online CPUs")
    try ArchiveCheck.require(isOnline.first == true, "CPU 0 is offline")
    try pages.check(expected.memory)
    try sysInfo.check()
    let end = expected.memory.last?.upperBound ?? 0
    for tdmr in tdmrs {
      for range in [tdmr.range] + tdmr.pamts + tdmr.reserved {
        try ArchiveCheck.require(range.upperBound <= end &+ TDMR.alignment, "a TDMR beyond all memory")
      }
      try ArchiveCheck.require(tdmr.pamts.isEmpty || tdmr.pamts.count == 3, "a TDMR with \(tdmr.pamts.count) PAMTs")
    }
    if let infoPage { try pages.check(infoPage, expected.memory) }
    try tds.check(expected)
  }
}

extension SysInfo {
  /// Whether its arrays have their lengths.
  func check() throws(ArchiveError) {
    try ArchiveCheck.count(pamtEntrySizes, is: 3, "the sizes of PAMT entries")
    let most = 0...Int(Self.maxCPUIDConfig)
    try ArchiveCheck.range(cpuidConfigLeaves.count, most, "the number of CPUID leaves")
    try ArchiveCheck.range(cpuidConfigValues.count, most, "the number of CPUID values")
    for values in cpuidConfigValues { try ArchiveCheck.range(values.count, 0...2, "the words of a CPUID value") }
  }
}

extension TDTable {
  fileprivate func check(_ configuration: HostConfiguration) throws(ArchiveError) {
    try keyIDs.check(configuration.privateKeyIDs)
    try ArchiveCheck.range(leakedPages, 0...(1 << 40), "the number of leaked pages")
    for count in logged.values { try ArchiveCheck.range(count, 0...1000, "how often an error was logged") }
    do throws(ArchiveError) { try migrationTD?.check(configuration) } catch {
      throw ArchiveError("the monitor's migration TD: \(error)")
    }
    var seen: Set<UInt64> = []
    for (name, td) in byName {
      try ArchiveCheck.require(td.name == name && seen.insert(td.id).inserted, "which TD is which")
      do throws(ArchiveError) { try td.check(configuration) } catch { throw ArchiveError("the TD \(name): \(error)") }
    }
  }
}

extension TrustDomain {
  fileprivate func check(_ configuration: HostConfiguration) throws(ArchiveError) {
    try ArchiveCheck.require(
      (1...255).contains(name.utf8.count) && name != "." && name != ".."
        && name.unicodeScalars.allSatisfy { $0 != "/" && $0.value >= 0x20 }, "its name")
    try ArchiveCheck.count(reportData, is: TDReport.reportDataSize, "REPORTDATA")
    for hash in [parameters.mrConfigID, parameters.mrOwner, parameters.mrOwnerConfig] {
      try ArchiveCheck.range(hash.count, 0...TDParameters.hashSize, "the length of a measurement")
    }
    for (index, vcpu) in vcpus.enumerated() {
      try ArchiveCheck.require(vcpu.index == index, "its vCPU \(index) is \(vcpu.index)")
      try ArchiveCheck.range(vcpu.pendingSteps, 0...(1 << 20), "the number of steps of its vCPU \(index)")
      if let cpu = vcpu.cpu { try ArchiveCheck.range(cpu, 0...(configuration.presentCPUs - 1), "a vCPU's CPU") }
    }
    if let lastExit {
      try ArchiveCheck.range(lastExit.entries, 0...(1 << 40), "how often a vCPU was entered")
      try ArchiveCheck.range(lastExit.lp, 0...(configuration.presentCPUs - 1), "the CPU that a vCPU left")
    }
    if let call = migration?.interrupted {
      try ArchiveCheck.range(call.cpu, 0...(configuration.presentCPUs - 1), "the CPU of an interrupted migration")
    }
    try image?.check()
  }
}

extension TDImageBuild {
  /// Whether metadata and progress are those of the image.
  fileprivate func check() throws(ArchiveError) {
    try ArchiveCheck.range(bytes.count, 0...Self.maximumSize, "the size of its image")
    try ArchiveCheck.range(section, 0...65_535, "the section at which its build is")
    try ArchiveCheck.range(page, 0...(1 << 40), "the page at which its build is")
    try ArchiveCheck.range(pagesAdded, 0...(1 << 40), "the number of pages of its build")
    if let metadata {
      try ArchiveCheck.require((try? TDVFImage(bytes)) == metadata, "the metadata of its image are not the image's")
    }
  }
}
