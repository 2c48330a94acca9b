import SEAM
import Testing

@Suite("Completion status", .timeLimit(.minutes(20)))
struct CompletionStatusTests {
  @Test("every code of the module has its name")
  func moduleNames() {
    #expect(StatusTable.module.count == 188)
    for (upper, name) in StatusTable.module {
      let status = CompletionStatus(rawValue: UInt64(upper) << 32)
      let expected = name == "TD_VMCS_FIELD_ERROR" ? name : "TDX_\(name)"
      #expect(status.name == expected)
      #expect(status.isError == (upper >> 31 == 1))
    }
  }

  @Test(
    "every code of the P-SEAMLDR has its value and name",
    arguments: [
      (CompletionStatus.badParam, 0x8000_0000_0000_0000, "EBADPARAM"),
      (.modBusy, 0x8000_0000_0000_0001, "EMODBUSY"),
      (.loaderInProgress, 0x8000_0000_0000_0002, "ELDRINPROG"),
      (.badCall, 0x8000_0000_0000_0003, "EBADCALL"),
      (.badHandoff, 0x8000_0000_0000_0004, "EBADHANDOFF"),
      (.cleanupRequired, 0x8000_0000_0000_0005, "ECLEANUPREQ"),
      (.unsupported, 0x8000_0000_0000_0006, "EUNSUPPORTED"),
      (.badRange, 0x8000_0000_0001_0000, "EBADRANGE"),
      (.badPlatform, 0x8000_0000_0001_0001, "EBADPLATF"),
      (.noMemory, 0x8000_0000_0001_0002, "ENOMEM"),
      (.unspecifiedError, 0x8000_0000_0001_0003, "EUNSPECERR"),
      (.unsupportedCPU, 0x8000_0000_0001_0004, "EUNSUPCPU"),
      (.badSignature, 0x8000_0000_0002_0000, "EBADSIG"),
      (.badHash, 0x8000_0000_0002_0001, "EBADHASH"),
      (.interrupted, 0x8000_0000_0003_0000, "EINTERRUPT"),
      (.noEntropy, 0x8000_0000_0003_0001, "ENOENTROPY"),
    ] as [(CompletionStatus, UInt64, String)])
  func loaderCodes(status: CompletionStatus, value: UInt64, name: String) {
    #expect(status.rawValue == value)
    #expect(status.name == name)
    #expect(status.isError)
  }

  @Test("a value that nobody names stays without name")
  func unknown() {
    for value in [0x8000_0000_0000_0007, 0x8000_0000_0003_0002, 0x8000_FF00_FFFF_0000, .max] as [UInt64] {
      #expect(CompletionStatus(rawValue: value).name == nil)
      #expect(CompletionStatus(rawValue: value).symbol == "UNKNOWN")
    }
  }

  @Test("an operand is told where the code has one, and only there")
  func operands() {
    #expect(CompletionStatus.operandInvalid.with(.rcx).rawValue == 0xC000_0100_0000_0001)
    #expect(CompletionStatus.operandInvalid.with(.rcx).symbol == "TDX_OPERAND_INVALID(RCX)")
    #expect(
      CompletionStatus.operandBusy.with(.opState).description == "TDX_OPERAND_BUSY(OP_STATE) 0x80000200000000ac")
    #expect(CompletionStatus.success.description == "TDX_SUCCESS 0x0000000000000000")
    #expect(CompletionStatus.badHash.description == "EBADHASH 0x8000000000020001")
    #expect(
      CompletionStatus.updateCompatibilitySensitive.with(details: 3).symbol == "TDX_UPDATE_COMPATIBILITY_SENSITIVE")
    #expect(CompletionStatus.operandInvalid.with(details: 0xFFFF).symbol == "TDX_OPERAND_INVALID")
    #expect(CompletionStatus.operandInvalid.with(.r8).code == .operandInvalid)
  }

  @Test("operand ids are those of the specification")
  func operandIDs() {
    let expected: [UInt32: String] = [
      0: "RAX", 1: "RCX", 2: "RDX", 3: "RBX", 5: "RBP", 6: "RSI", 7: "RDI", 8: "R8", 9: "R9", 10: "R10", 11: "R11",
      12: "R12", 13: "R13", 14: "R14", 15: "R15", 64: "ATTRIBUTES", 65: "XFAM", 66: "CONFIG_FLAGS",
      67: "EPTP_CONTROLS", 68: "MAX_VCPUS", 69: "CPUID_CONFIG", 70: "TSC_FREQUENCY", 71: "NUM_L2_VMS",
      72: "IA32_ARCH_CAPABILITIES_CONFIG", 95: "PAGE", 96: "TDMR_INFO_PA", 97: "GPA_LIST_ENTRY",
      98: "MIG_BUFF_LIST_ENTRY", 99: "NEW_PAGE_LIST_ENTRY", 128: "TDR", 129: "TDCX", 130: "TDVPR", 132: "REG_PAGE",
      144: "TDCS", 145: "TDVPS", 146: "SEPT_TREE", 147: "SEPT_ENTRY", 168: "RTMR", 169: "TD_EPOCH",
      170: "L2_VAPIC_GPA", 171: "MIGSC", 172: "OP_STATE", 173: "MIG", 174: "SERVTD_BINDINGS", 176: "METADATA_FIELD",
      184: "SYS", 185: "TDMR", 186: "KOT", 187: "KET", 188: "WBCACHE",
    ]
    #expect(Dictionary(uniqueKeysWithValues: OperandID.allCases.map { ($0.rawValue, $0.name) }) == expected)
  }
}
