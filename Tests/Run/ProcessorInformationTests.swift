import Testing

@testable import tdxfs

@Suite("/proc/cpuinfo says of TDX what the machine says", .timeLimit(.minutes(20)))
struct ProcessorInformationTests {
  private let host = """
    processor\t: 0
    model name\t: Intel(R) Xeon(R) : with a colon
    flags\t\t: fpu vme
    vmx flags\t: vnmi preemption_timer
    bugs\t\t: spectre_v1

    processor\t: 1
    flags\t\t: fpu vme
    bugs\t\t:

    """

  @Test("a machine with TDX and the erratum: both words on every processor, and nothing else changes")
  func added() {
    let shown = ProcessorInformation(hasTDX: true, hasSeamretInvdVMCS: true).applied(to: host)
    #expect(
      shown == """
        processor\t: 0
        model name\t: Intel(R) Xeon(R) : with a colon
        flags\t\t: fpu vme tdx_host_platform
        vmx flags\t: vnmi preemption_timer
        bugs\t\t: spectre_v1 seamret_invd_vmcs

        processor\t: 1
        flags\t\t: fpu vme tdx_host_platform
        bugs\t\t: seamret_invd_vmcs

        """)
  }

  @Test("what the host has and the machine has not goes away; what both have stands there once")
  func removed() {
    let withBoth = ProcessorInformation(hasTDX: true, hasSeamretInvdVMCS: true).applied(to: host)
    #expect(ProcessorInformation(hasTDX: false, hasSeamretInvdVMCS: false).applied(to: withBoth) == host)
    #expect(ProcessorInformation(hasTDX: true, hasSeamretInvdVMCS: true).applied(to: withBoth) == withBoth)
  }
}
