/// The completion status codes of the TDX module, by class (TDX module ABI
/// specification, "Interface Function Completion Status Codes"). Details_L2
/// (bits 31:0) is zero here: add an operand with ``with(_:)``.
extension CompletionStatus {
  // MARK: Class 0x00: general / TD-exit

  /// `TDX_SUCCESS`
  public static let success = Self(rawValue: 0x0000_0000_0000_0000)
  /// `TDX_NON_RECOVERABLE_VCPU`
  public static let nonRecoverableVCPU = Self(rawValue: 0x4000_0001_0000_0000)
  /// `TDX_NON_RECOVERABLE_TD`
  public static let nonRecoverableTD = Self(rawValue: 0x6000_0002_0000_0000)
  /// `TDX_INTERRUPTED_RESUMABLE`
  public static let interruptedResumable = Self(rawValue: 0x8000_0003_0000_0000)
  /// `TDX_INTERRUPTED_RESTARTABLE`
  public static let interruptedRestartable = Self(rawValue: 0x8000_0004_0000_0000)
  /// `TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE`
  public static let nonRecoverableTDNonAccessible = Self(rawValue: 0x6000_0005_0000_0000)
  /// `TDX_INVALID_RESUMPTION`
  public static let invalidResumption = Self(rawValue: 0xC000_0006_0000_0000)
  /// `TDX_NON_RECOVERABLE_TD_WRONG_APIC_MODE`
  public static let nonRecoverableTDWrongAPICMode = Self(rawValue: 0xE000_0007_0000_0000)
  /// `TDX_CROSS_TD_FAULT`
  public static let crossTDFault = Self(rawValue: 0x8000_0008_0000_0000)
  /// `TDX_CROSS_TD_TRAP`
  public static let crossTDTrap = Self(rawValue: 0x9000_0009_0000_0000)
  /// `TDX_NON_RECOVERABLE_TD_CORRUPTED_MD`
  public static let nonRecoverableTDCorruptedMD = Self(rawValue: 0x6000_000A_0000_0000)
  /// `TDX_INTERRUPTED_LIST_FULL`
  public static let interruptedListFull = Self(rawValue: 0x8000_000C_0000_0000)

  // MARK: Class 0x01: operand

  /// `TDX_OPERAND_INVALID`
  public static let operandInvalid = Self(rawValue: 0xC000_0100_0000_0000)
  /// `TDX_OPERAND_ADDR_RANGE_ERROR`
  public static let operandAddrRangeError = Self(rawValue: 0xC000_0101_0000_0000)
  /// `TDX_EVENT_FILTER_INVALID`
  public static let eventFilterInvalid = Self(rawValue: 0xC000_0102_0000_0000)
  /// `TDX_EVENT_FILTER_ORDER_INVALID`
  public static let eventFilterOrderInvalid = Self(rawValue: 0xC000_0103_0000_0000)

  // MARK: Class 0x02: busy / resource

  /// `TDX_OPERAND_BUSY`
  public static let operandBusy = Self(rawValue: 0x8000_0200_0000_0000)
  /// `TDX_PREVIOUS_TLB_EPOCH_BUSY`
  public static let previousTLBEpochBusy = Self(rawValue: 0x8000_0201_0000_0000)
  /// `TDX_SYS_BUSY`
  public static let sysBusy = Self(rawValue: 0x8000_0202_0000_0000)
  /// `TDX_RND_NO_ENTROPY`
  public static let rndNoEntropy = Self(rawValue: 0x8000_0203_0000_0000)
  /// `TDX_OPERAND_BUSY_HOST_PRIORITY`
  public static let operandBusyHostPriority = Self(rawValue: 0x8000_0204_0000_0000)
  /// `TDX_HOST_PRIORITY_BUSY_TIMEOUT`
  public static let hostPriorityBusyTimeout = Self(rawValue: 0x9000_0205_0000_0000)
  /// `TDX_INTERRUPTED_BUSY`
  public static let interruptedBusy = Self(rawValue: 0x8000_0206_0000_0000)

  // MARK: Class 0x03: page metadata

  /// `TDX_PAGE_METADATA_INCORRECT`
  public static let pageMetadataIncorrect = Self(rawValue: 0xC000_0300_0000_0000)
  /// `TDX_PAGE_ALREADY_FREE`
  public static let pageAlreadyFree = Self(rawValue: 0x0000_0301_0000_0000)
  /// `TDX_PAGE_NOT_OWNED_BY_TD`
  public static let pageNotOwnedByTD = Self(rawValue: 0xC000_0302_0000_0000)
  /// `TDX_PAGE_NOT_FREE`
  public static let pageNotFree = Self(rawValue: 0xC000_0303_0000_0000)
  /// `TDX_HPA_RANGE_NOT_FREE`
  public static let hpaRangeNotFree = Self(rawValue: 0xC000_0304_0000_0000)
  /// `TDX_NO_PAMT_PAGE_PAIR`
  public static let noPAMTPagePair = Self(rawValue: 0xC000_0305_0000_0000)
  /// `TDX_PAMT_PAGE_NOT_EMPTY`
  public static let pamtPageNotEmpty = Self(rawValue: 0xC000_0306_0000_0000)
  /// `TDX_INTERRUPTED_PAMT`
  public static let interruptedPAMT = Self(rawValue: 0x8000_0307_0000_0000)
  /// `TDX_MISSING_PAMT_PAGE_PAIR`
  public static let missingPAMTPagePair = Self(rawValue: 0x8000_0308_0000_0000)

  // MARK: Class 0x04: TD pages

  /// `TDX_TD_ASSOCIATED_PAGES_EXIST`
  public static let tdAssociatedPagesExist = Self(rawValue: 0xC000_0400_0000_0000)

  // MARK: Class 0x05: platform state

  /// `TDX_SYS_INIT_NOT_PENDING`
  public static let sysInitNotPending = Self(rawValue: 0xC000_0500_0000_0000)
  /// `TDX_SYS_LP_INIT_NOT_DONE`
  public static let sysLPInitNotDone = Self(rawValue: 0xC000_0502_0000_0000)
  /// `TDX_SYS_LP_INIT_DONE`
  public static let sysLPInitDone = Self(rawValue: 0xC000_0503_0000_0000)
  /// `TDX_SYS_NOT_READY`
  public static let sysNotReady = Self(rawValue: 0xC000_0505_0000_0000)
  /// `TDX_SYS_SHUTDOWN`
  public static let sysShutdown = Self(rawValue: 0xC000_0506_0000_0000)
  /// `TDX_SYS_KEY_CONFIG_NOT_PENDING`
  public static let sysKeyConfigNotPending = Self(rawValue: 0xC000_0507_0000_0000)
  /// `TDX_SYS_STATE_INCORRECT`
  public static let sysStateIncorrect = Self(rawValue: 0xC000_0508_0000_0000)
  /// `TDX_SYS_INVALID_HANDOFF`
  public static let sysInvalidHandoff = Self(rawValue: 0xC000_0509_0000_0000)
  /// `TDX_SYS_INCOMPATIBLE_SIGSTRUCT`
  public static let sysIncompatibleSigstruct = Self(rawValue: 0xC000_050A_0000_0000)
  /// `TDX_SYS_LP_INIT_NOT_PENDING`
  public static let sysLPInitNotPending = Self(rawValue: 0xC000_050B_0000_0000)
  /// `TDX_SYS_CONFIG_NOT_PENDING`
  public static let sysConfigNotPending = Self(rawValue: 0xC000_050C_0000_0000)
  /// `TDX_INCOMPATIBLE_SEAM_CAPABILITIES`
  public static let incompatibleSEAMCapabilities = Self(rawValue: 0xC000_050D_0000_0000)
  /// `TDX_INCOMPATIBLE_SEAM_FEATURES`
  public static let incompatibleSEAMFeatures = Self(rawValue: 0xC000_050F_0000_0000)
  /// `TDX_CRYPTO_SELF_TEST_FAILED`
  public static let cryptoSelfTestFailed = Self(rawValue: 0xC000_0511_0000_0000)
  /// `TDX_UPDATE_COMPATIBILITY_SENSITIVE`
  public static let updateCompatibilitySensitive = Self(rawValue: 0x8000_0512_0000_0000)

  // MARK: Class 0x06: TD state

  /// `TDX_TD_FATAL`
  public static let tdFatal = Self(rawValue: 0xE000_0604_0000_0000)
  /// `TDX_TD_NON_DEBUG`
  public static let tdNonDebug = Self(rawValue: 0xC000_0605_0000_0000)
  /// `TDX_TDCS_NOT_ALLOCATED`
  public static let tdcsNotAllocated = Self(rawValue: 0xC000_0606_0000_0000)
  /// `TDX_LIFECYCLE_STATE_INCORRECT`
  public static let lifecycleStateIncorrect = Self(rawValue: 0xC000_0607_0000_0000)
  /// `TDX_OP_STATE_INCORRECT`
  public static let opStateIncorrect = Self(rawValue: 0xC000_0608_0000_0000)
  /// `TDX_NO_VCPUS`
  public static let noVCPUs = Self(rawValue: 0xC000_0609_0000_0000)
  /// `TDX_DEBUG_MEM_NOT_WRITABLE`
  public static let debugMemNotWritable = Self(rawValue: 0xC000_060A_0000_0000)
  /// `TDX_TDCX_NUM_INCORRECT`
  public static let tdcxNumIncorrect = Self(rawValue: 0xC000_0610_0000_0000)
  /// `TDX_X2APIC_ID_NOT_UNIQUE`
  public static let x2apicIDNotUnique = Self(rawValue: 0xC000_0621_0000_0000)
  /// `TDX_INCOMPATIBLE_MRTD_CONTEXT`
  public static let incompatibleMRTDContext = Self(rawValue: 0xC000_0622_0000_0000)

  // MARK: Class 0x07: vCPU state

  /// `TDX_VCPU_STATE_INCORRECT`
  public static let vcpuStateIncorrect = Self(rawValue: 0xC000_0700_0000_0000)
  /// `TDX_VCPU_ASSOCIATED`
  public static let vcpuAssociated = Self(rawValue: 0x8000_0701_0000_0000)
  /// `TDX_VCPU_NOT_ASSOCIATED`
  public static let vcpuNotAssociated = Self(rawValue: 0x8000_0702_0000_0000)
  /// `TDX_NO_VALID_VE_INFO`
  public static let noValidVEInfo = Self(rawValue: 0xC000_0704_0000_0000)
  /// `TDX_MAX_VCPUS_EXCEEDED`
  public static let maxVCPUsExceeded = Self(rawValue: 0xC000_0705_0000_0000)
  /// `TDX_TSC_ROLLBACK`
  public static let tscRollback = Self(rawValue: 0xC000_0706_0000_0000)
  /// `TDX_INTERRUPTIBILITY_BLOCKED`
  public static let interruptibilityBlocked = Self(rawValue: 0xC000_0707_0000_0000)
  /// `TDX_TD_VMCS_FIELD_NOT_INITIALIZED`
  public static let tdVMCSFieldNotInitialized = Self(rawValue: 0xC000_0730_0000_0000)
  /// `TD_VMCS_FIELD_ERROR`
  public static let tdVMCSFieldError = Self(rawValue: 0xC000_0731_0000_0000)

  // MARK: Class 0x08: keys

  /// `TDX_KEY_GENERATION_FAILED`
  public static let keyGenerationFailed = Self(rawValue: 0x8000_0800_0000_0000)
  /// `TDX_TD_KEYS_NOT_CONFIGURED`
  public static let tdKeysNotConfigured = Self(rawValue: 0x8000_0810_0000_0000)
  /// `TDX_KEY_STATE_INCORRECT`
  public static let keyStateIncorrect = Self(rawValue: 0xC000_0811_0000_0000)
  /// `TDX_KEY_CONFIGURED`
  public static let keyConfigured = Self(rawValue: 0x0000_0815_0000_0000)
  /// `TDX_WBCACHE_NOT_COMPLETE`
  public static let wbcacheNotComplete = Self(rawValue: 0x8000_0817_0000_0000)
  /// `TDX_HKID_NOT_FREE`
  public static let hkidNotFree = Self(rawValue: 0xC000_0820_0000_0000)
  /// `TDX_NO_HKID_READY_TO_WBCACHE`
  public static let noHKIDReadyToWbcache = Self(rawValue: 0x0000_0821_0000_0000)
  /// `TDX_WBCACHE_RESUME_ERROR`
  public static let wbcacheResumeError = Self(rawValue: 0xC000_0823_0000_0000)
  /// `TDX_FLUSHVP_NOT_DONE`
  public static let flushvpNotDone = Self(rawValue: 0x8000_0824_0000_0000)
  /// `TDX_NUM_ACTIVATED_HKIDS_NOT_SUPPORTED`
  public static let numActivatedHKIDsNotSupported = Self(rawValue: 0xC000_0825_0000_0000)

  // MARK: Class 0x09: platform configuration

  /// `TDX_INCORRECT_CPUID_VALUE`
  public static let incorrectCPUIDValue = Self(rawValue: 0xC000_0900_0000_0000)
  /// `TDX_LIMIT_CPUID_MAXVAL_SET`
  public static let limitCPUIDMaxvalSet = Self(rawValue: 0xC000_0901_0000_0000)
  /// `TDX_INCONSISTENT_CPUID_FIELD`
  public static let inconsistentCPUIDField = Self(rawValue: 0xC000_0902_0000_0000)
  /// `TDX_CPUID_MAX_SUBLEAVES_UNRECOGNIZED`
  public static let cpuidMaxSubleavesUnrecognized = Self(rawValue: 0xC000_0903_0000_0000)
  /// `TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED`
  public static let cpuidLeaf1fFormatUnrecognized = Self(rawValue: 0xC000_0904_0000_0000)
  /// `TDX_INVALID_WBINVD_SCOPE`
  public static let invalidWBINVDScope = Self(rawValue: 0xC000_0905_0000_0000)
  /// `TDX_INVALID_PKG_ID`
  public static let invalidPkgID = Self(rawValue: 0xC000_0906_0000_0000)
  /// `TDX_ENABLE_MONITOR_FSM_NOT_SET`
  public static let enableMonitorFSMNotSet = Self(rawValue: 0xC000_0907_0000_0000)
  /// `TDX_CPUID_LEAF_NOT_SUPPORTED`
  public static let cpuidLeafNotSupported = Self(rawValue: 0xC000_0908_0000_0000)
  /// `TDX_SMRR_NOT_LOCKED`
  public static let smrrNotLocked = Self(rawValue: 0xC000_0910_0000_0000)
  /// `TDX_INVALID_SMRR_CONFIGURATION`
  public static let invalidSMRRConfiguration = Self(rawValue: 0xC000_0911_0000_0000)
  /// `TDX_SMRR_OVERLAPS_CMR`
  public static let smrrOverlapsCMR = Self(rawValue: 0xC000_0912_0000_0000)
  /// `TDX_SMRR_LOCK_NOT_SUPPORTED`
  public static let smrrLockNotSupported = Self(rawValue: 0xC000_0913_0000_0000)
  /// `TDX_SMRR_NOT_SUPPORTED`
  public static let smrrNotSupported = Self(rawValue: 0xC000_0914_0000_0000)
  /// `TDX_INCONSISTENT_MSR`
  public static let inconsistentMSR = Self(rawValue: 0xC000_0920_0000_0000)
  /// `TDX_INCORRECT_MSR_VALUE`
  public static let incorrectMSRValue = Self(rawValue: 0xC000_0921_0000_0000)
  /// `TDX_SEAMREPORT_NOT_AVAILABLE`
  public static let seamreportNotAvailable = Self(rawValue: 0xC000_0930_0000_0000)
  /// `TDX_SEAMDB_GETREF_NOT_AVAILABLE`
  public static let seamdbGetrefNotAvailable = Self(rawValue: 0xC000_0931_0000_0000)
  /// `TDX_SEAMDB_REPORT_NOT_AVAILABLE`
  public static let seamdbReportNotAvailable = Self(rawValue: 0xC000_0932_0000_0000)
  /// `TDX_SEAMVERIFYREPORT_NOT_AVAILABLE`
  public static let seamverifyreportNotAvailable = Self(rawValue: 0xC000_0933_0000_0000)

  // MARK: Class 0x0A: TDMR / PAMT / CMR

  /// `TDX_INVALID_TDMR`
  public static let invalidTDMR = Self(rawValue: 0xC000_0A00_0000_0000)
  /// `TDX_NON_ORDERED_TDMR`
  public static let nonOrderedTDMR = Self(rawValue: 0xC000_0A01_0000_0000)
  /// `TDX_TDMR_OUTSIDE_CMRS`
  public static let tdmrOutsideCMRs = Self(rawValue: 0xC000_0A02_0000_0000)
  /// `TDX_TDMR_ALREADY_INITIALIZED`
  public static let tdmrAlreadyInitialized = Self(rawValue: 0x0000_0A03_0000_0000)
  /// `TDX_INVALID_PAMT`
  public static let invalidPAMT = Self(rawValue: 0xC000_0A10_0000_0000)
  /// `TDX_PAMT_OUTSIDE_CMRS`
  public static let pamtOutsideCMRs = Self(rawValue: 0xC000_0A11_0000_0000)
  /// `TDX_PAMT_OVERLAP`
  public static let pamtOverlap = Self(rawValue: 0xC000_0A12_0000_0000)
  /// `TDX_INVALID_RESERVED_IN_TDMR`
  public static let invalidReservedInTDMR = Self(rawValue: 0xC000_0A20_0000_0000)
  /// `TDX_NON_ORDERED_RESERVED_IN_TDMR`
  public static let nonOrderedReservedInTDMR = Self(rawValue: 0xC000_0A21_0000_0000)
  /// `TDX_CMR_LIST_INVALID`
  public static let cmrListInvalid = Self(rawValue: 0xC000_0A22_0000_0000)

  // MARK: Class 0x0B: secure EPT

  /// `TDX_EPT_WALK_FAILED`
  public static let eptWalkFailed = Self(rawValue: 0xC000_0B00_0000_0000)
  /// `TDX_EPT_ENTRY_FREE`
  public static let eptEntryFree = Self(rawValue: 0xC000_0B01_0000_0000)
  /// `TDX_EPT_ENTRY_NOT_FREE`
  public static let eptEntryNotFree = Self(rawValue: 0xC000_0B02_0000_0000)
  /// `TDX_EPT_ENTRY_NOT_PRESENT`
  public static let eptEntryNotPresent = Self(rawValue: 0xC000_0B03_0000_0000)
  /// `TDX_EPT_ENTRY_NOT_LEAF`
  public static let eptEntryNotLeaf = Self(rawValue: 0xC000_0B04_0000_0000)
  /// `TDX_EPT_ENTRY_LEAF`
  public static let eptEntryLeaf = Self(rawValue: 0xC000_0B05_0000_0000)
  /// `TDX_GPA_RANGE_NOT_BLOCKED`
  public static let gpaRangeNotBlocked = Self(rawValue: 0xC000_0B06_0000_0000)
  /// `TDX_GPA_RANGE_ALREADY_BLOCKED`
  public static let gpaRangeAlreadyBlocked = Self(rawValue: 0x0000_0B07_0000_0000)
  /// `TDX_TLB_TRACKING_NOT_DONE`
  public static let tlbTrackingNotDone = Self(rawValue: 0xC000_0B08_0000_0000)
  /// `TDX_EPT_INVALID_PROMOTE_CONDITIONS`
  public static let eptInvalidPromoteConditions = Self(rawValue: 0xC000_0B09_0000_0000)
  /// `TDX_PAGE_ALREADY_ACCEPTED`
  public static let pageAlreadyAccepted = Self(rawValue: 0x0000_0B0A_0000_0000)
  /// `TDX_PAGE_SIZE_MISMATCH`
  public static let pageSizeMismatch = Self(rawValue: 0xC000_0B0B_0000_0000)
  /// `TDX_GPA_RANGE_BLOCKED`
  public static let gpaRangeBlocked = Self(rawValue: 0xC000_0B0C_0000_0000)
  /// `TDX_EPT_ENTRY_STATE_INCORRECT`
  public static let eptEntryStateIncorrect = Self(rawValue: 0xC000_0B0D_0000_0000)
  /// `TDX_EPT_PAGE_NOT_FREE`
  public static let eptPageNotFree = Self(rawValue: 0xC000_0B0E_0000_0000)
  /// `TDX_L2_SEPT_WALK_FAILED`
  public static let l2SEPTWalkFailed = Self(rawValue: 0xC000_0B0F_0000_0000)
  /// `TDX_L2_SEPT_ENTRY_NOT_FREE`
  public static let l2SEPTEntryNotFree = Self(rawValue: 0xC000_0B10_0000_0000)
  /// `TDX_PAGE_ATTR_INVALID`
  public static let pageAttrInvalid = Self(rawValue: 0xC000_0B11_0000_0000)
  /// `TDX_L2_SEPT_PAGE_NOT_PROVIDED`
  public static let l2SEPTPageNotProvided = Self(rawValue: 0xC000_0B12_0000_0000)
  /// `TDX_BLOCKED_MEMORY_EXISTS`
  public static let blockedMemoryExists = Self(rawValue: 0x8000_0B13_0000_0000)

  // MARK: Class 0x0C: metadata access

  /// `TDX_METADATA_FIELD_ID_INCORRECT`
  public static let metadataFieldIDIncorrect = Self(rawValue: 0xC000_0C00_0000_0000)
  /// `TDX_METADATA_FIELD_NOT_WRITABLE`
  public static let metadataFieldNotWritable = Self(rawValue: 0xC000_0C01_0000_0000)
  /// `TDX_METADATA_FIELD_NOT_READABLE`
  public static let metadataFieldNotReadable = Self(rawValue: 0xC000_0C02_0000_0000)
  /// `TDX_METADATA_FIELD_VALUE_NOT_VALID`
  public static let metadataFieldValueNotValid = Self(rawValue: 0xC000_0C03_0000_0000)
  /// `TDX_METADATA_LIST_OVERFLOW`
  public static let metadataListOverflow = Self(rawValue: 0xC000_0C04_0000_0000)
  /// `TDX_INVALID_METADATA_LIST_HEADER`
  public static let invalidMetadataListHeader = Self(rawValue: 0xC000_0C05_0000_0000)
  /// `TDX_REQUIRED_METADATA_FIELD_MISSING`
  public static let requiredMetadataFieldMissing = Self(rawValue: 0xC000_0C06_0000_0000)
  /// `TDX_METADATA_ELEMENT_SIZE_INCORRECT`
  public static let metadataElementSizeIncorrect = Self(rawValue: 0xC000_0C07_0000_0000)
  /// `TDX_METADATA_LAST_ELEMENT_INCORRECT`
  public static let metadataLastElementIncorrect = Self(rawValue: 0xC000_0C08_0000_0000)
  /// `TDX_METADATA_FIELD_CURRENTLY_NOT_WRITABLE`
  public static let metadataFieldCurrentlyNotWritable = Self(rawValue: 0xC000_0C09_0000_0000)
  /// `TDX_METADATA_WR_MASK_NOT_VALID`
  public static let metadataWRMaskNotValid = Self(rawValue: 0xC000_0C0A_0000_0000)
  /// `TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT`
  public static let metadataFirstFieldIDInContext = Self(rawValue: 0x0000_0C0B_0000_0000)
  /// `TDX_METADATA_FIELD_SKIP`
  public static let metadataFieldSkip = Self(rawValue: 0x0000_0C0C_0000_0000)
  /// `TDX_VIRTUAL_MSR_VALUE_NOT_VALID`
  public static let virtualMSRValueNotValid = Self(rawValue: 0xC000_0C0D_0000_0000)
  /// `TDX_METADATA_FIELD_NOT_ALLOCATED`
  public static let metadataFieldNotAllocated = Self(rawValue: 0xC000_0C0E_0000_0000)

  // MARK: Class 0x0D: service TD

  /// `TDX_SERVTD_ALREADY_BOUND_FOR_TYPE`
  public static let servtdAlreadyBoundForType = Self(rawValue: 0xC000_0D00_0000_0000)
  /// `TDX_SERVTD_TYPE_MISMATCH`
  public static let servtdTypeMismatch = Self(rawValue: 0xC000_0D01_0000_0000)
  /// `TDX_SERVTD_ATTR_MISMATCH`
  public static let servtdAttrMismatch = Self(rawValue: 0xC000_0D02_0000_0000)
  /// `TDX_SERVTD_INFO_HASH_MISMATCH`
  public static let servtdInfoHashMismatch = Self(rawValue: 0xC000_0D03_0000_0000)
  /// `TDX_SERVTD_UUID_MISMATCH`
  public static let servtdUUIDMismatch = Self(rawValue: 0xC000_0D04_0000_0000)
  /// `TDX_SERVTD_NOT_BOUND`
  public static let servtdNotBound = Self(rawValue: 0xC000_0D05_0000_0000)
  /// `TDX_SERVTD_BOUND`
  public static let servtdBound = Self(rawValue: 0xC000_0D06_0000_0000)
  /// `TDX_TARGET_UUID_MISMATCH`
  public static let targetUUIDMismatch = Self(rawValue: 0xC000_0D07_0000_0000)
  /// `TDX_TARGET_UUID_UPDATED`
  public static let targetUUIDUpdated = Self(rawValue: 0xC000_0D08_0000_0000)
  /// `TDX_SERVTD_NESTING_NOT_ALLOWED`
  public static let servtdNestingNotAllowed = Self(rawValue: 0xC000_0D0C_0000_0000)
  /// `TDX_SERVTD_CANNOT_BE_MIGRATABLE`
  public static let servtdCannotBeMigratable = Self(rawValue: 0xC000_0D0D_0000_0000)

  // MARK: Class 0x0E: migration

  /// `TDX_INVALID_MBMD`
  public static let invalidMBMD = Self(rawValue: 0xC000_0E00_0000_0000)
  /// `TDX_INCORRECT_MBMD_MAC`
  public static let incorrectMBMDMAC = Self(rawValue: 0xC000_0E01_0000_0000)
  /// `TDX_NOT_WRITE_BLOCKED`
  public static let notWriteBlocked = Self(rawValue: 0xC000_0E02_0000_0000)
  /// `TDX_ALREADY_WRITE_BLOCKED`
  public static let alreadyWriteBlocked = Self(rawValue: 0x0000_0E03_0000_0000)
  /// `TDX_NOT_EXPORTED`
  public static let notExported = Self(rawValue: 0xC000_0E04_0000_0000)
  /// `TDX_MIGRATION_STREAM_STATE_INCORRECT`
  public static let migrationStreamStateIncorrect = Self(rawValue: 0xC000_0E05_0000_0000)
  /// `TDX_MAX_MIGS_NUM_EXCEEDED`
  public static let maxMIGsNumExceeded = Self(rawValue: 0xC000_0E06_0000_0000)
  /// `TDX_EXPORTED_DIRTY_PAGES_REMAIN`
  public static let exportedDirtyPagesRemain = Self(rawValue: 0xC000_0E07_0000_0000)
  /// `TDX_MIGRATION_DECRYPTION_KEY_NOT_SET`
  public static let migrationDecryptionKeyNotSet = Self(rawValue: 0xC000_0E08_0000_0000)
  /// `TDX_TD_NOT_MIGRATABLE`
  public static let tdNotMigratable = Self(rawValue: 0xC000_0E09_0000_0000)
  /// `TDX_PREVIOUS_EXPORT_CLEANUP_INCOMPLETE`
  public static let previousExportCleanupIncomplete = Self(rawValue: 0xC000_0E0A_0000_0000)
  /// `TDX_NUM_MIGS_HIGHER_THAN_CREATED`
  public static let numMIGsHigherThanCreated = Self(rawValue: 0xC000_0E0B_0000_0000)
  /// `TDX_IMPORT_MISMATCH`
  public static let importMismatch = Self(rawValue: 0xC000_0E0C_0000_0000)
  /// `TDX_MIGRATION_EPOCH_OVERFLOW`
  public static let migrationEpochOverflow = Self(rawValue: 0xC000_0E0D_0000_0000)
  /// `TDX_MAX_EXPORTS_EXCEEDED`
  public static let maxExportsExceeded = Self(rawValue: 0xC000_0E0E_0000_0000)
  /// `TDX_INVALID_PAGE_MAC`
  public static let invalidPageMAC = Self(rawValue: 0xC000_0E0F_0000_0000)
  /// `TDX_MIGRATED_IN_CURRENT_EPOCH`
  public static let migratedInCurrentEpoch = Self(rawValue: 0xC000_0E10_0000_0000)
  /// `TDX_DISALLOWED_IMPORT_OVER_REMOVED`
  public static let disallowedImportOverRemoved = Self(rawValue: 0xC000_0E11_0000_0000)
  /// `TDX_SOME_VCPUS_NOT_MIGRATED`
  public static let someVCPUsNotMigrated = Self(rawValue: 0xC000_0E12_0000_0000)
  /// `TDX_ALL_VCPUS_IMPORTED`
  public static let allVCPUsImported = Self(rawValue: 0xC000_0E13_0000_0000)
  /// `TDX_MIN_MIGS_NOT_CREATED`
  public static let minMIGsNotCreated = Self(rawValue: 0xC000_0E14_0000_0000)
  /// `TDX_VCPU_ALREADY_EXPORTED`
  public static let vcpuAlreadyExported = Self(rawValue: 0xC000_0E15_0000_0000)
  /// `TDX_INVALID_MIGRATION_DECRYPTION_KEY`
  public static let invalidMigrationDecryptionKey = Self(rawValue: 0xC000_0E16_0000_0000)
  /// `TDX_INCOMPATIBLE_MBMD_MAC_CONTEXT`
  public static let incompatibleMBMDMACContext = Self(rawValue: 0xC000_0E22_0000_0000)

  // MARK: Class 0x10: local attestation

  /// `TDX_INVALID_CPUSVN`
  public static let invalidCPUSVN = Self(rawValue: 0xC000_1000_0000_0000)
  /// `TDX_INVALID_REPORTMACSTRUCT`
  public static let invalidReportmacstruct = Self(rawValue: 0xC000_1001_0000_0000)

  // MARK: Class 0x11: TD partitioning

  /// `TDX_L2_EXIT_HOST_ROUTED_ASYNC`
  public static let l2ExitHostRoutedAsync = Self(rawValue: 0x0000_1100_0000_0000)
  /// `TDX_L2_EXIT_HOST_ROUTED_TDVMCALL`
  public static let l2ExitHostRoutedTDVMCALL = Self(rawValue: 0x0000_1101_0000_0000)
  /// `TDX_L2_EXIT_PENDING_INTERRUPT`
  public static let l2ExitPendingInterrupt = Self(rawValue: 0x0000_1102_0000_0000)
  /// `TDX_L2_VM_ENTRY_FAILED`
  public static let l2VMEntryFailed = Self(rawValue: 0x8000_1103_0000_0000)
  /// `TDX_PENDING_INTERRUPT`
  public static let pendingInterrupt = Self(rawValue: 0x0000_1120_0000_0000)
  /// `TDX_TD_EXIT_BEFORE_L2_ENTRY`
  public static let tdExitBeforeL2Entry = Self(rawValue: 0x0000_1140_0000_0000)
  /// `TDX_TD_EXIT_ON_L2_VM_EXIT`
  public static let tdExitOnL2VMExit = Self(rawValue: 0x0000_1141_0000_0000)
  /// `TDX_TD_EXIT_ON_L2_TO_L1`
  public static let tdExitOnL2ToL1 = Self(rawValue: 0x0000_1142_0000_0000)
  /// `TDX_GLA_NOT_CANONICAL`
  public static let glaNotCanonical = Self(rawValue: 0xC000_1160_0000_0000)

  /// The names of the codes above, by bits 63:32.
  static let moduleNames: [UInt32: String] = [
    0x0000_0000: "TDX_SUCCESS",
    0x4000_0001: "TDX_NON_RECOVERABLE_VCPU",
    0x6000_0002: "TDX_NON_RECOVERABLE_TD",
    0x8000_0003: "TDX_INTERRUPTED_RESUMABLE",
    0x8000_0004: "TDX_INTERRUPTED_RESTARTABLE",
    0x6000_0005: "TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE",
    0xC000_0006: "TDX_INVALID_RESUMPTION",
    0xE000_0007: "TDX_NON_RECOVERABLE_TD_WRONG_APIC_MODE",
    0x8000_0008: "TDX_CROSS_TD_FAULT",
    0x9000_0009: "TDX_CROSS_TD_TRAP",
    0x6000_000A: "TDX_NON_RECOVERABLE_TD_CORRUPTED_MD",
    0x8000_000C: "TDX_INTERRUPTED_LIST_FULL",
    0xC000_0100: "TDX_OPERAND_INVALID",
    0xC000_0101: "TDX_OPERAND_ADDR_RANGE_ERROR",
    0xC000_0102: "TDX_EVENT_FILTER_INVALID",
    0xC000_0103: "TDX_EVENT_FILTER_ORDER_INVALID",
    0x8000_0200: "TDX_OPERAND_BUSY",
    0x8000_0201: "TDX_PREVIOUS_TLB_EPOCH_BUSY",
    0x8000_0202: "TDX_SYS_BUSY",
    0x8000_0203: "TDX_RND_NO_ENTROPY",
    0x8000_0204: "TDX_OPERAND_BUSY_HOST_PRIORITY",
    0x9000_0205: "TDX_HOST_PRIORITY_BUSY_TIMEOUT",
    0x8000_0206: "TDX_INTERRUPTED_BUSY",
    0xC000_0300: "TDX_PAGE_METADATA_INCORRECT",
    0x0000_0301: "TDX_PAGE_ALREADY_FREE",
    0xC000_0302: "TDX_PAGE_NOT_OWNED_BY_TD",
    0xC000_0303: "TDX_PAGE_NOT_FREE",
    0xC000_0304: "TDX_HPA_RANGE_NOT_FREE",
    0xC000_0305: "TDX_NO_PAMT_PAGE_PAIR",
    0xC000_0306: "TDX_PAMT_PAGE_NOT_EMPTY",
    0x8000_0307: "TDX_INTERRUPTED_PAMT",
    0x8000_0308: "TDX_MISSING_PAMT_PAGE_PAIR",
    0xC000_0400: "TDX_TD_ASSOCIATED_PAGES_EXIST",
    0xC000_0500: "TDX_SYS_INIT_NOT_PENDING",
    0xC000_0502: "TDX_SYS_LP_INIT_NOT_DONE",
    0xC000_0503: "TDX_SYS_LP_INIT_DONE",
    0xC000_0505: "TDX_SYS_NOT_READY",
    0xC000_0506: "TDX_SYS_SHUTDOWN",
    0xC000_0507: "TDX_SYS_KEY_CONFIG_NOT_PENDING",
    0xC000_0508: "TDX_SYS_STATE_INCORRECT",
    0xC000_0509: "TDX_SYS_INVALID_HANDOFF",
    0xC000_050A: "TDX_SYS_INCOMPATIBLE_SIGSTRUCT",
    0xC000_050B: "TDX_SYS_LP_INIT_NOT_PENDING",
    0xC000_050C: "TDX_SYS_CONFIG_NOT_PENDING",
    0xC000_050D: "TDX_INCOMPATIBLE_SEAM_CAPABILITIES",
    0xC000_050F: "TDX_INCOMPATIBLE_SEAM_FEATURES",
    0xC000_0511: "TDX_CRYPTO_SELF_TEST_FAILED",
    0x8000_0512: "TDX_UPDATE_COMPATIBILITY_SENSITIVE",
    0xE000_0604: "TDX_TD_FATAL",
    0xC000_0605: "TDX_TD_NON_DEBUG",
    0xC000_0606: "TDX_TDCS_NOT_ALLOCATED",
    0xC000_0607: "TDX_LIFECYCLE_STATE_INCORRECT",
    0xC000_0608: "TDX_OP_STATE_INCORRECT",
    0xC000_0609: "TDX_NO_VCPUS",
    0xC000_060A: "TDX_DEBUG_MEM_NOT_WRITABLE",
    0xC000_0610: "TDX_TDCX_NUM_INCORRECT",
    0xC000_0621: "TDX_X2APIC_ID_NOT_UNIQUE",
    0xC000_0622: "TDX_INCOMPATIBLE_MRTD_CONTEXT",
    0xC000_0700: "TDX_VCPU_STATE_INCORRECT",
    0x8000_0701: "TDX_VCPU_ASSOCIATED",
    0x8000_0702: "TDX_VCPU_NOT_ASSOCIATED",
    0xC000_0704: "TDX_NO_VALID_VE_INFO",
    0xC000_0705: "TDX_MAX_VCPUS_EXCEEDED",
    0xC000_0706: "TDX_TSC_ROLLBACK",
    0xC000_0707: "TDX_INTERRUPTIBILITY_BLOCKED",
    0xC000_0730: "TDX_TD_VMCS_FIELD_NOT_INITIALIZED",
    0xC000_0731: "TD_VMCS_FIELD_ERROR",
    0x8000_0800: "TDX_KEY_GENERATION_FAILED",
    0x8000_0810: "TDX_TD_KEYS_NOT_CONFIGURED",
    0xC000_0811: "TDX_KEY_STATE_INCORRECT",
    0x0000_0815: "TDX_KEY_CONFIGURED",
    0x8000_0817: "TDX_WBCACHE_NOT_COMPLETE",
    0xC000_0820: "TDX_HKID_NOT_FREE",
    0x0000_0821: "TDX_NO_HKID_READY_TO_WBCACHE",
    0xC000_0823: "TDX_WBCACHE_RESUME_ERROR",
    0x8000_0824: "TDX_FLUSHVP_NOT_DONE",
    0xC000_0825: "TDX_NUM_ACTIVATED_HKIDS_NOT_SUPPORTED",
    0xC000_0900: "TDX_INCORRECT_CPUID_VALUE",
    0xC000_0901: "TDX_LIMIT_CPUID_MAXVAL_SET",
    0xC000_0902: "TDX_INCONSISTENT_CPUID_FIELD",
    0xC000_0903: "TDX_CPUID_MAX_SUBLEAVES_UNRECOGNIZED",
    0xC000_0904: "TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED",
    0xC000_0905: "TDX_INVALID_WBINVD_SCOPE",
    0xC000_0906: "TDX_INVALID_PKG_ID",
    0xC000_0907: "TDX_ENABLE_MONITOR_FSM_NOT_SET",
    0xC000_0908: "TDX_CPUID_LEAF_NOT_SUPPORTED",
    0xC000_0910: "TDX_SMRR_NOT_LOCKED",
    0xC000_0911: "TDX_INVALID_SMRR_CONFIGURATION",
    0xC000_0912: "TDX_SMRR_OVERLAPS_CMR",
    0xC000_0913: "TDX_SMRR_LOCK_NOT_SUPPORTED",
    0xC000_0914: "TDX_SMRR_NOT_SUPPORTED",
    0xC000_0920: "TDX_INCONSISTENT_MSR",
    0xC000_0921: "TDX_INCORRECT_MSR_VALUE",
    0xC000_0930: "TDX_SEAMREPORT_NOT_AVAILABLE",
    0xC000_0931: "TDX_SEAMDB_GETREF_NOT_AVAILABLE",
    0xC000_0932: "TDX_SEAMDB_REPORT_NOT_AVAILABLE",
    0xC000_0933: "TDX_SEAMVERIFYREPORT_NOT_AVAILABLE",
    0xC000_0A00: "TDX_INVALID_TDMR",
    0xC000_0A01: "TDX_NON_ORDERED_TDMR",
    0xC000_0A02: "TDX_TDMR_OUTSIDE_CMRS",
    0x0000_0A03: "TDX_TDMR_ALREADY_INITIALIZED",
    0xC000_0A10: "TDX_INVALID_PAMT",
    0xC000_0A11: "TDX_PAMT_OUTSIDE_CMRS",
    0xC000_0A12: "TDX_PAMT_OVERLAP",
    0xC000_0A20: "TDX_INVALID_RESERVED_IN_TDMR",
    0xC000_0A21: "TDX_NON_ORDERED_RESERVED_IN_TDMR",
    0xC000_0A22: "TDX_CMR_LIST_INVALID",
    0xC000_0B00: "TDX_EPT_WALK_FAILED",
    0xC000_0B01: "TDX_EPT_ENTRY_FREE",
    0xC000_0B02: "TDX_EPT_ENTRY_NOT_FREE",
    0xC000_0B03: "TDX_EPT_ENTRY_NOT_PRESENT",
    0xC000_0B04: "TDX_EPT_ENTRY_NOT_LEAF",
    0xC000_0B05: "TDX_EPT_ENTRY_LEAF",
    0xC000_0B06: "TDX_GPA_RANGE_NOT_BLOCKED",
    0x0000_0B07: "TDX_GPA_RANGE_ALREADY_BLOCKED",
    0xC000_0B08: "TDX_TLB_TRACKING_NOT_DONE",
    0xC000_0B09: "TDX_EPT_INVALID_PROMOTE_CONDITIONS",
    0x0000_0B0A: "TDX_PAGE_ALREADY_ACCEPTED",
    0xC000_0B0B: "TDX_PAGE_SIZE_MISMATCH",
    0xC000_0B0C: "TDX_GPA_RANGE_BLOCKED",
    0xC000_0B0D: "TDX_EPT_ENTRY_STATE_INCORRECT",
    0xC000_0B0E: "TDX_EPT_PAGE_NOT_FREE",
    0xC000_0B0F: "TDX_L2_SEPT_WALK_FAILED",
    0xC000_0B10: "TDX_L2_SEPT_ENTRY_NOT_FREE",
    0xC000_0B11: "TDX_PAGE_ATTR_INVALID",
    0xC000_0B12: "TDX_L2_SEPT_PAGE_NOT_PROVIDED",
    0x8000_0B13: "TDX_BLOCKED_MEMORY_EXISTS",
    0xC000_0C00: "TDX_METADATA_FIELD_ID_INCORRECT",
    0xC000_0C01: "TDX_METADATA_FIELD_NOT_WRITABLE",
    0xC000_0C02: "TDX_METADATA_FIELD_NOT_READABLE",
    0xC000_0C03: "TDX_METADATA_FIELD_VALUE_NOT_VALID",
    0xC000_0C04: "TDX_METADATA_LIST_OVERFLOW",
    0xC000_0C05: "TDX_INVALID_METADATA_LIST_HEADER",
    0xC000_0C06: "TDX_REQUIRED_METADATA_FIELD_MISSING",
    0xC000_0C07: "TDX_METADATA_ELEMENT_SIZE_INCORRECT",
    0xC000_0C08: "TDX_METADATA_LAST_ELEMENT_INCORRECT",
    0xC000_0C09: "TDX_METADATA_FIELD_CURRENTLY_NOT_WRITABLE",
    0xC000_0C0A: "TDX_METADATA_WR_MASK_NOT_VALID",
    0x0000_0C0B: "TDX_METADATA_FIRST_FIELD_ID_IN_CONTEXT",
    0x0000_0C0C: "TDX_METADATA_FIELD_SKIP",
    0xC000_0C0D: "TDX_VIRTUAL_MSR_VALUE_NOT_VALID",
    0xC000_0C0E: "TDX_METADATA_FIELD_NOT_ALLOCATED",
    0xC000_0D00: "TDX_SERVTD_ALREADY_BOUND_FOR_TYPE",
    0xC000_0D01: "TDX_SERVTD_TYPE_MISMATCH",
    0xC000_0D02: "TDX_SERVTD_ATTR_MISMATCH",
    0xC000_0D03: "TDX_SERVTD_INFO_HASH_MISMATCH",
    0xC000_0D04: "TDX_SERVTD_UUID_MISMATCH",
    0xC000_0D05: "TDX_SERVTD_NOT_BOUND",
    0xC000_0D06: "TDX_SERVTD_BOUND",
    0xC000_0D07: "TDX_TARGET_UUID_MISMATCH",
    0xC000_0D08: "TDX_TARGET_UUID_UPDATED",
    0xC000_0D0C: "TDX_SERVTD_NESTING_NOT_ALLOWED",
    0xC000_0D0D: "TDX_SERVTD_CANNOT_BE_MIGRATABLE",
    0xC000_0E00: "TDX_INVALID_MBMD",
    0xC000_0E01: "TDX_INCORRECT_MBMD_MAC",
    0xC000_0E02: "TDX_NOT_WRITE_BLOCKED",
    0x0000_0E03: "TDX_ALREADY_WRITE_BLOCKED",
    0xC000_0E04: "TDX_NOT_EXPORTED",
    0xC000_0E05: "TDX_MIGRATION_STREAM_STATE_INCORRECT",
    0xC000_0E06: "TDX_MAX_MIGS_NUM_EXCEEDED",
    0xC000_0E07: "TDX_EXPORTED_DIRTY_PAGES_REMAIN",
    0xC000_0E08: "TDX_MIGRATION_DECRYPTION_KEY_NOT_SET",
    0xC000_0E09: "TDX_TD_NOT_MIGRATABLE",
    0xC000_0E0A: "TDX_PREVIOUS_EXPORT_CLEANUP_INCOMPLETE",
    0xC000_0E0B: "TDX_NUM_MIGS_HIGHER_THAN_CREATED",
    0xC000_0E0C: "TDX_IMPORT_MISMATCH",
    0xC000_0E0D: "TDX_MIGRATION_EPOCH_OVERFLOW",
    0xC000_0E0E: "TDX_MAX_EXPORTS_EXCEEDED",
    0xC000_0E0F: "TDX_INVALID_PAGE_MAC",
    0xC000_0E10: "TDX_MIGRATED_IN_CURRENT_EPOCH",
    0xC000_0E11: "TDX_DISALLOWED_IMPORT_OVER_REMOVED",
    0xC000_0E12: "TDX_SOME_VCPUS_NOT_MIGRATED",
    0xC000_0E13: "TDX_ALL_VCPUS_IMPORTED",
    0xC000_0E14: "TDX_MIN_MIGS_NOT_CREATED",
    0xC000_0E15: "TDX_VCPU_ALREADY_EXPORTED",
    0xC000_0E16: "TDX_INVALID_MIGRATION_DECRYPTION_KEY",
    0xC000_0E22: "TDX_INCOMPATIBLE_MBMD_MAC_CONTEXT",
    0xC000_1000: "TDX_INVALID_CPUSVN",
    0xC000_1001: "TDX_INVALID_REPORTMACSTRUCT",
    0x0000_1100: "TDX_L2_EXIT_HOST_ROUTED_ASYNC",
    0x0000_1101: "TDX_L2_EXIT_HOST_ROUTED_TDVMCALL",
    0x0000_1102: "TDX_L2_EXIT_PENDING_INTERRUPT",
    0x8000_1103: "TDX_L2_VM_ENTRY_FAILED",
    0x0000_1120: "TDX_PENDING_INTERRUPT",
    0x0000_1140: "TDX_TD_EXIT_BEFORE_L2_ENTRY",
    0x0000_1141: "TDX_TD_EXIT_ON_L2_VM_EXIT",
    0x0000_1142: "TDX_TD_EXIT_ON_L2_TO_L1",
    0xC000_1160: "TDX_GLA_NOT_CANONICAL",
  ]
}
