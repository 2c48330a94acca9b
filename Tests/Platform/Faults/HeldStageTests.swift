import Testing

@testable import Platform

/// A stage of an update that is held: how scenarios let something happen at a point.
@Suite("A delay", .timeLimit(.minutes(20)))
struct HeldStageTests {
  @Test(
    "of an hour ends when its plan is taken away, and the update goes on",
    arguments: ["prepare", "transfer", "install", "update"])
  func release(stage: String) async throws {
    let bench = try Bench()
    try bench.machine.setFault("hold", to: "stage=\(stage) delay=3600s once")
    try bench.write("1", to: "\(bench.upload)/loading")
    try bench.write(try Images.forge("1.5.28"), to: "\(bench.upload)/data")
    try bench.write("0", to: "\(bench.upload)/loading")
    while bench.machine.faultPlan("hold")?.acted == 0 { try await Task.sleep(for: .milliseconds(1)) }
    #expect(try bench.read("\(bench.upload)/status") != "idle\n")
    #expect(try bench.read("version") == "1.5.24\n")
    try bench.machine.removeFault("hold")
    bench.machine.worker.drain()
    #expect(try bench.read("\(bench.upload)/status") == "idle\n")
    #expect(try bench.read("\(bench.upload)/error") == "")
    #expect(try bench.read("version") == "1.5.28\n")
  }
}
