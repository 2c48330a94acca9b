import Basics
import Glibc
import Testing

@Suite("The thread of a worker", .timeLimit(.minutes(20)))
struct WorkerThreadTests {
  /// The calling thread, as /proc names it.
  private static func thread() -> String {
    var name = [CChar](repeating: 0, count: 64)
    let count = readlink("/proc/thread-self", &name, name.count)
    return String(decoding: name.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  @Test("runs jobs in their order, ends its thread when none comes, and starts another one for the next")
  func thread() {
    let worker = Worker()
    let threads = Guarded<[String]>([])
    for round in 0..<2 {
      let order = Guarded<[Int]>([])
      for job in 0..<100 {
        worker.schedule {
          order.withLock { $0.append(job) }
          if job == 0 { threads.withLock { $0.append(Self.thread()) } }
        }
      }
      worker.drain()
      #expect(order.withLock { $0 } == Array(0..<100))
      let thread = threads.withLock { $0[round] }
      while access("/proc/\(thread)", F_OK) == 0 { usleep(20_000) }
    }
    #expect(threads.withLock { $0.count } == 2)
  }

  @Test("starts no thread while it is held, and runs then what was scheduled meanwhile, in order")
  func held() {
    let worker = Worker()
    let order = Guarded<[Int]>([])
    worker.hold()
    for job in 0..<3 { worker.schedule { order.withLock { $0.append(job) } } }
    #expect(order.withLock { $0.isEmpty })
    worker.release()
    worker.schedule { order.withLock { $0.append(3) } }
    worker.drain()
    #expect(order.withLock { $0 } == [0, 1, 2, 3])
    #expect(!worker.isWithoutThread)
  }

  @Test("leaves signals that end the process to other threads")
  func signals() {
    let worker = Worker()
    let blocked = Guarded<[Bool]>([])
    worker.schedule {
      var mask = sigset_t()
      pthread_sigmask(SIG_BLOCK, nil, &mask)
      blocked.withLock { $0 = [SIGTERM, SIGINT, SIGHUP].map { sigismember(&mask, $0) == 1 } }
    }
    worker.drain()
    #expect(blocked.withLock { $0 } == [true, true, true])
  }
}

@Suite("Texts that come over and over")
struct RepeatedTextsTests {
  @Test("have one number each as long as they are remembered, and all can be told from their numbers")
  func numbers() {
    var texts = RepeatedTexts()
    var given: [(String, UInt64)] = []
    var generator = SeededGenerator(seed: 3)
    for _ in 0..<2000 {
      let text =
        String(repeating: "ä\n", count: Int.random(in: 0..<4, using: &generator))
        + "\(Int.random(in: 0..<9, using: &generator))"
      given.append((text, texts.number(of: text)))
    }
    #expect(texts.number(of: "") == texts.number(of: ""))
    texts.close()
    let all = texts.all
    for (text, number) in given { #expect(all[Int(number)] == text) }
    // A text that shares its place with another one is kept anew at each change, and the others once.
    #expect(all.count < 2000)
    let size = texts.size
    #expect(texts.number(of: "0") == UInt64(all.count))
    #expect(texts.size == size + 2)
  }
}
