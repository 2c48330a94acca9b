import Testing

@testable import FirmwareUpload

/// Every order of what clients can do with an upload, against ``KernelModel``: results, all files and the log.
@Suite("Uploads in every order", .timeLimit(.minutes(20)))
struct SequenceTests {
  /// One thing to do.
  enum Step: String, CaseIterable, Sendable {
    case begin = "loading=1"
    case commit = "loading=0"
    case giveUp = "loading=-1"
    case nonsense = "loading=7"
    case write = "data=AB"
    case far = "data=C@4100"
    case cancel = "cancel=1"
    case worker

    /// Does it on both sides; nil where they answer alike.
    func perform(_ pair: inout UploadPair) -> String? {
      switch self {
      case .begin: pair.write(Array("1\n".utf8), to: .loading)
      case .commit: pair.write(Array("0\n".utf8), to: .loading)
      case .giveUp: pair.write(Array("-1\n".utf8), to: .loading)
      case .nonsense: pair.write(Array("7\n".utf8), to: .loading)
      case .write: pair.write(Array("AB".utf8), to: .data)
      case .far: pair.write(Array("C".utf8), to: .data, at: 4100)
      case .cancel: pair.write(Array("1".utf8), to: .cancel)
      case .worker: pair.runWorker()
      }
    }
  }

  /// Every sequence of `length` steps out of `steps`.
  private func run(_ steps: [Step], length: Int) {
    var cases = 0
    var indices = [Int](repeating: 0, count: length)
    while true {
      var pair = UploadPair()
      var difference: String?
      for index in indices where difference == nil { difference = steps[index].perform(&pair) }
      difference = difference ?? pair.difference()
      cases += 1
      if let difference {
        Issue.record("\(indices.map { steps[$0].rawValue }): \(difference)")
        return
      }
      var place = 0
      while place < length {
        indices[place] += 1
        if indices[place] < steps.count { break }
        indices[place] = 0
        place += 1
      }
      if place == length { break }
    }
    print("malformed inputs: uploads in every order, \(length) steps: \(cases) cases")
    var expected = 1
    for _ in 0..<length { expected *= steps.count }
    #expect(cases == expected)
  }

  @Test("up to four steps of all kinds", arguments: 1...4)
  func four(length: Int) { run(Step.allCases, length: length) }

  @Test("five steps, and six of those that lead to an upload")
  func longer() {
    run([.begin, .commit, .giveUp, .write, .cancel, .worker], length: 5)
    run([.begin, .commit, .write, .worker], length: 6)
  }
}
