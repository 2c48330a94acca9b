import Basics
import SEAM

/// The values of the fields of one TD.
struct TDFieldValues {
  let td: TD
  let cpu: CPUModel
  let traits: ModuleTraits

  /// HP_LOCK_TIMEOUT before the host writes it, in microseconds.
  static let defaultHPLockTimeout: UInt64 = 1_000_000
  /// What the host may write there.
  static let hpLockTimeouts: ClosedRange<UInt64> = 10_000...100_000_000
  /// The TSC frequency of every processor here, in units of 25 MHz, to which TSC_MULTIPLIER refers.
  private static let nativeTSCFrequency: UInt64 = 80

  /// The value of element `index` of `field`, counted over all its fields.
  func value(_ element: MetadataElement<TDField>) -> UInt64 {
    let index = element.index
    let parameters = td.parameters
    switch element.field {
    case .fatal: return td.isFatal ? 1 : 0
    case .numTDCX: return UInt64(td.tdcxPages.count)
    case .childCount: return td.childCount
    case .lifecycleState: return UInt64(td.lifecycle.rawValue)
    case .tdcxPA: return td.tdcxPages.indices.contains(index) ? td.tdcxPages[index] : 0
    case .tdUUID: return word(td.uuid, index)
    case .hkid: return UInt64(td.hkid)
    case .pkgConfigBitmap: return UInt64(td.packageBitmap)
    case .handoffVersion: return UInt64(td.handoffVersion)
    case .seamdbIndex: return UInt64(td.seamdb.index)
    case .seamdbNonce: return word(td.seamdb.nonce, index)
    case .numVCPUs: return UInt64(td.vcpuCount)
    case .numAssocVCPUs: return UInt64(td.associatedVCPUs)
    case .opState: return UInt64(td.opState.rawValue)
    case .numL2VMs: return UInt64(parameters.numL2VMs)
    case .attributes: return parameters.attributes.rawValue
    case .xfam: return parameters.xfam
    case .maxVCPUs: return UInt64(parameters.maxVCPUs)
    case .gpaw: return parameters.hasGPAW52 ? 1 : 0
    // The root of the secure EPT is the fourth page of the TDCS.
    case .eptp: return parameters.eptpControls | (td.tdcxPages.count > 3 ? td.tdcxPages[3] : 0)
    case .tscOffset: return 0
    case .tscMultiplier: return (UInt64(parameters.tscFrequency) << 48) / Self.nativeTSCFrequency
    case .tscFrequency: return UInt64(parameters.tscFrequency)
    case .virtualTSC: return 0
    case .numCPUIDValues: return UInt64(traits.cpuidConfiguration.count)
    case .hpLockTimeout: return stored(element) ?? Self.defaultHPLockTimeout
    case .notifyEnables, .vmControls: return stored(element) ?? 0
    case .configFlags: return parameters.configFlags
    case .tdControls: return td.pendingVEDisabled ? 1 : 0
    case .tdEpoch: return td.epoch
    case .refcount: return td.epochReaders.indices.contains(index) ? UInt64(td.epochReaders[index]) : 0
    case .mrtd: return word(td.measurement.mrtd, index)
    case .mrConfigID: return word(parameters.mrConfigID, index)
    case .mrOwner: return word(parameters.mrOwner, index)
    case .mrOwnerConfig: return word(parameters.mrOwnerConfig, index)
    case .rtmr:
      let rtmrs = td.measurement.rtmrs
      return rtmrs.indices.contains(index / 6) ? word(rtmrs[index / 6], index % 6) : 0
    case .cpuidValues: return cpuid(index)
    case .servtdHash: return word(td.measurement.servtdHash, index)
    case .servtdNum: return UInt64(td.serviceTDs.slots.count { $0 != nil })
    case .servtdBindings: return binding(index)
    case .migDecKeySet, .exportCount, .importCount, .migEpoch, .bwEpoch, .totalMBCount, .migDecKey, .migDecWorkingKey,
      .migEncKey, .migEncWorkingKey, .migVersion, .migWorkingVersion, .dirtyCount, .migCount, .numMigs,
      .numMigratedVCPUs, .preImportUUID:
      return migration(element)
    }
  }

  private func migration(_ element: MetadataElement<TDField>) -> UInt64 {
    let migration = td.migration
    switch element.field {
    case .migDecKeySet: return migration.isDecryptionKeySet ? 1 : 0
    case .exportCount: return UInt64(migration.exportCount)
    case .importCount: return UInt64(migration.importCount)
    case .migEpoch: return UInt64(migration.epoch)
    case .bwEpoch: return migration.blockedWriteEpoch
    case .totalMBCount: return migration.totalBundles
    case .migDecKey: return word(migration.decryptionKey, element.index)
    case .migDecWorkingKey: return word(migration.decryptionWorkingKey, element.index)
    case .migEncKey: return word(migration.encryptionKey, element.index)
    case .migEncWorkingKey: return word(migration.encryptionWorkingKey, element.index)
    case .dirtyCount: return migration.dirtyCount
    case .migCount: return migration.exportedPages
    case .numMigs: return UInt64(migration.streams.count)
    case .numMigratedVCPUs: return UInt64(migration.migratedVCPUs)
    case .preImportUUID: return word(migration.preImportUUID ?? [], element.index)
    // The one version there is has number 0.
    default: return 0
    }
  }

  /// One slot: state and type, attributes, UUID, hash, zeros (module source 1.5.01).
  private func binding(_ index: Int) -> UInt64 {
    let slots = td.serviceTDs.slots
    guard slots.indices.contains(index / 16), let slot = slots[index / 16] else { return 0 }
    switch index % 16 {
    case 0: return UInt64(slot.state.rawValue) | UInt64(slot.type) << 16
    case 1: return slot.attributes.rawValue
    case 2..<6: return word(slot.uuid, index % 16 - 2)
    case 6..<12: return word(slot.infoHash, index % 16 - 6)
    default: return 0
    }
  }

  private func stored(_ element: MetadataElement<TDField>) -> UInt64? {
    td.fields[element.id(traits).rawValue]
  }

  private func word(_ words: [UInt64], _ index: Int) -> UInt64 { words.indices.contains(index) ? words[index] : 0 }

  private func word(_ bytes: [UInt8], _ index: Int) -> UInt64 {
    UInt64(littleEndianBytes: bytes.dropFirst(8 * index).prefix(8))
  }

  /// What the host configured: EAX and EBX, or ECX and EDX. Family, model and stepping are the processor's where it said nothing.
  private func cpuid(_ index: Int) -> UInt64 {
    guard td.parameters.cpuidValues.indices.contains(index / 2) else { return 0 }
    let values = td.parameters.cpuidValues[index / 2]
    guard values.count == 4, traits.cpuidConfiguration.indices.contains(index / 2) else { return 0 }
    if index % 2 == 1 { return UInt64(values[2]) | UInt64(values[3]) << 32 }
    let isSignature = traits.cpuidConfiguration[index / 2].leaf == 1 && values[0] == 0
    return UInt64(isSignature ? cpu.signature : values[0]) | UInt64(values[1]) << 32
  }
}

extension TDXModule {
  /// Checks and stores what was written to a field of the TD `tdr`.
  mutating func store(
    _ new: UInt64, in element: MetadataElement<TDField>, of tdr: UInt64, by reader: MetadataReader, mask: UInt64,
    _ traits: ModuleTraits
  ) throws(MetadataRefusal) {
    let id = element.id(traits).rawValue
    switch element.field {
    case .hpLockTimeout:
      guard mask == .max else {
        throw MetadataRefusal(status: .metadataWRMaskNotValid, reason: "HP_LOCK_TIMEOUT is written as a whole")
      }
      guard TDFieldValues.hpLockTimeouts.contains(new) else {
        throw MetadataRefusal(
          status: .metadataFieldValueNotValid, reason: "HP_LOCK_TIMEOUT = \(new): 10 ms to 100 s are possible")
      }
      tds[tdr]?.fields[id] = new
    case .tdControls:
      let old: UInt64 = tds[tdr]?.pendingVEDisabled == true ? 1 : 0
      guard reader != .guest || tds[tdr]?.parameters.hasFlexiblePendingVE == true || (old ^ new) & 1 == 0 else {
        throw MetadataRefusal(
          status: .metadataFieldValueNotValid, reason: "PENDING_VE_DISABLE is fixed without FLEXIBLE_PENDING_VE")
      }
      tds[tdr]?.tdControls = new
    case .notifyEnables, .vmControls:
      tds[tdr]?.fields[id] = new
    case .fatal, .numTDCX, .childCount, .lifecycleState, .tdcxPA, .tdUUID, .hkid, .pkgConfigBitmap, .handoffVersion,
      .seamdbIndex, .seamdbNonce, .numVCPUs, .numAssocVCPUs, .opState, .numL2VMs, .attributes, .xfam, .maxVCPUs, .gpaw,
      .eptp, .tscOffset, .tscMultiplier, .tscFrequency, .virtualTSC, .numCPUIDValues, .configFlags, .tdEpoch,
      .refcount, .mrtd, .mrConfigID, .mrOwner, .mrOwnerConfig, .rtmr, .cpuidValues, .migDecKeySet, .exportCount,
      .importCount, .migEpoch, .bwEpoch, .totalMBCount, .migDecKey, .migDecWorkingKey, .migEncKey, .migEncWorkingKey,
      .migVersion, .migWorkingVersion, .dirtyCount, .migCount, .numMigs, .numMigratedVCPUs, .preImportUUID,
      .servtdHash, .servtdNum, .servtdBindings:
      throw MetadataRefusal(status: .metadataFieldNotWritable, reason: "field \(id.text) cannot be written")
    }
  }
}
