#if canImport(Glibc)
  import Glibc
#endif

/// The target that the environment variable `TDXFS_FUZZ_TARGET` names.
private let target: FuzzTarget = {
  let name = getenv("TDXFS_FUZZ_TARGET").map { String(cString: $0) } ?? ""
  guard let target = FuzzTarget(rawValue: name) else {
    let known = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
    stop("TDXFS_FUZZ_TARGET is '\(name)', and is to be one of \(known)", status: 2)
  }
  return target
}()

/// libFuzzer's entry (`LLVMFuzzerTestOneInput`): one run of the chosen target. A finding ends the process, as a trap does.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  do {
    try target.run(Array(UnsafeBufferPointer(start: start, count: count)))
  } catch {
    let text = Array("tdxfs finding: \(error)\n".utf8)
    _ = write(2, text, text.count)
    abort()
  }
  return 0
}

private func stop(_ message: String, status: CInt) -> Never {
  let text = Array("tdxfs fuzzing: \(message)\n".utf8)
  _ = write(2, text, text.count)
  exit(status)
}
