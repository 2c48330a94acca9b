import Kernfs
import SystemPackage
import Testing

@testable import FirmwareUpload

/// kernel-abi 2.3: every cell of the table of writes to `loading`.
@Suite(.timeLimit(.minutes(20)))
struct LoadingTests {
  enum Before: CaseIterable, Sendable {
    case unknown
    case loading
    case done
    case aborted
  }

  /// A device in the state, with "data" staged where it can be.
  private func bench(_ before: Before) throws -> Bench {
    let bench = Bench(name: "tdx_module")
    switch before {
    case .unknown:
      try bench.put("data", "data")
    case .loading:
      try bench.put("loading", "1")
      try bench.put("data", "data")
    case .done:
      try bench.put("loading", "1")
      try bench.put("data", "data")
      try bench.put("loading", "0")
    case .aborted:
      try bench.put("loading", "1")
      try bench.put("data", "data")
      bench.device.faults.securityRefusal = .permissionDenied
      #expect(throws: Errno.permissionDenied) { try bench.put("loading", "0") }
      bench.device.faults = FirmwareUploadFaults()
    }
    bench.events.withLock { $0 = [] }
    bench.work.withLock { if before != .done { $0 = [] } }
    return bench
  }

  struct Cell: Sendable {
    let before: Before
    let text: String
    let loading: String
    let status: String
    /// What `data` reads; nil for ENODEV.
    let data: String?
    let log: Int32?
    let event: FirmwareUploadEvent
  }

  static let cells: [Cell] = [
    Cell(
      before: .unknown, text: "1", loading: "1\n", status: "idle\n", data: "", log: nil,
      event: .loadingBegan(dropped: 4)),
    Cell(
      before: .unknown, text: "0", loading: "0\n", status: "idle\n", data: "data", log: 0,
      event: .unexpectedValue(0, staged: 4, wasLoading: false)),
    Cell(
      before: .unknown, text: "-1", loading: "0\n", status: "idle\n", data: "data", log: nil,
      event: .loadingGivenUp(staged: 4)),
    Cell(
      before: .unknown, text: "7", loading: "0\n", status: "idle\n", data: "data", log: 7,
      event: .unexpectedValue(7, staged: 4, wasLoading: false)),
    Cell(
      before: .loading, text: "1", loading: "1\n", status: "idle\n", data: "", log: nil,
      event: .loadingBegan(dropped: 4)),
    Cell(
      before: .loading, text: "0", loading: "0\n", status: "receiving\n", data: nil, log: nil, event: .started(size: 4)),
    Cell(
      before: .loading, text: "foo", loading: "0\n", status: "receiving\n", data: nil, log: nil,
      event: .started(size: 4)),
    Cell(
      before: .loading, text: "-1", loading: "0\n", status: "idle\n", data: "data", log: nil,
      event: .loadingGivenUp(staged: 4)),
    Cell(
      before: .loading, text: "-2", loading: "0\n", status: "idle\n", data: "data", log: -2,
      event: .unexpectedValue(-2, staged: 4, wasLoading: true)),
    Cell(
      before: .done, text: "1", loading: "0\n", status: "receiving\n", data: nil, log: nil, event: .loadingIgnored(1)),
    Cell(
      before: .done, text: "0", loading: "0\n", status: "receiving\n", data: nil, log: nil, event: .loadingIgnored(0)),
    Cell(
      before: .done, text: "-1", loading: "0\n", status: "receiving\n", data: nil, log: nil, event: .loadingIgnored(-1)),
    Cell(
      before: .done, text: "7", loading: "0\n", status: "receiving\n", data: nil, log: nil, event: .loadingIgnored(7)),
    Cell(
      before: .aborted, text: "1", loading: "0\n", status: "idle\n", data: "data", log: nil, event: .loadingIgnored(1)),
    Cell(
      before: .aborted, text: "0", loading: "0\n", status: "idle\n", data: "data", log: nil, event: .loadingIgnored(0)),
    Cell(
      before: .aborted, text: "-1", loading: "0\n", status: "idle\n", data: "data", log: nil, event: .loadingIgnored(-1)
    ),
    Cell(
      before: .aborted, text: "7", loading: "0\n", status: "idle\n", data: "data", log: nil, event: .loadingIgnored(7)),
  ]

  @Test(arguments: cells)
  func cell(_ cell: Cell) throws {
    let bench = try bench(cell.before)
    #expect(try bench.put("loading", cell.text) == cell.text.utf8.count)
    #expect(try bench.get("loading") == cell.loading)
    #expect(try bench.get("status") == cell.status)
    if let data = cell.data {
      #expect(try bench.get("data") == data)
    } else {
      #expect(throws: Errno.operationNotSupportedByDevice) { try bench.get("data") }
    }
    let lines = cell.log.map { ["firmware tdx_module: firmware_loading_store: unexpected value (\($0))"] } ?? []
    #expect(bench.lines.withLock { $0 } == lines)
    #expect(bench.events.withLock { $0 } == [cell.event])
    #expect(bench.work.withLock { $0.count } == (cell.status == "idle\n" ? 0 : 1))
  }

  @Test("Nothing staged: no upload, and error and remaining_size stay")
  func empty() throws {
    let bench = Bench()
    try bench.put("loading", "1")
    try bench.put("data", String(repeating: "x", count: 3000))
    try bench.put("loading", "0")
    bench.runWorker()
    #expect(bench.snap() == "idle\n|preparing:invalid-file-size\n|3000\n|0\n|0")
    bench.events.withLock { $0 = [] }
    try bench.put("loading", "1")
    #expect(try bench.put("loading", "0") == 1)
    #expect(bench.events.withLock { $0 } == [.loadingBegan(dropped: 0), .nothingStaged])
    #expect(bench.work.withLock { $0.isEmpty })
    #expect(bench.snap() == "idle\n|preparing:invalid-file-size\n|3000\n|0\n|0")
  }

  @Test("Pages that can't be mapped: ENOMEM, a line, and nobody leaves that state")
  func mappingFails() throws {
    let bench = Bench(name: "tdx_module")
    bench.device.faults.mappingFails = true
    try bench.put("loading", "1")
    try bench.put("data", "data")
    #expect(throws: Errno.noMemory) { try bench.put("loading", "0") }
    #expect(bench.lines.withLock { $0 } == ["firmware tdx_module: firmware_loading_store: map pages failed"])
    #expect(bench.events.withLock { $0.last } == .commitRefused(.noMemory))
    bench.device.faults.mappingFails = false
    #expect(try bench.put("loading", "1") == 1)
    #expect(try bench.put("data", "DA") == 2)
    #expect(bench.snap() == "idle\n||0\n|0\n|4")
    #expect(try bench.get("data") == "DAta")
    #expect(try bench.put("loading", "0") == 1)
    #expect(bench.work.withLock { $0.isEmpty })
  }

  @Test("An empty image has no pages to map, but the security module is asked")
  func emptyAndFaults() throws {
    let bench = Bench()
    bench.device.faults.mappingFails = true
    try bench.put("loading", "1")
    #expect(try bench.put("loading", "0") == 1)
    bench.device.faults.securityRefusal = .notPermitted
    try bench.put("loading", "1")
    #expect(throws: Errno.notPermitted) { try bench.put("loading", "0") }
    #expect(bench.lines.withLock { $0.isEmpty })
  }

  @Test("A write longer than a page: the first 4096 bytes are one store")
  func longWrite() throws {
    let bench = Bench()
    #expect(try bench.put("loading", "1" + String(repeating: " ", count: 4096)) == 4096)
    #expect(try bench.get("loading") == "1\n")
  }
}
