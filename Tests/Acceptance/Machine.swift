import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// A machine that is mounted for the time of one test.
struct Machine {
  /// The mount point.
  let root: String

  /// Mounts a machine with `options`, hands it to `body`, and unmounts it whatever happened.
  static func mounted(
    _ options: String? = nil, sourceLocation: SourceLocation = #_sourceLocation, _ body: (Machine) async throws -> Void
  ) async throws {
    let directory = try TemporaryDirectory()
    defer { directory.remove() }
    let mount = try await Tdxfs.run([directory.path] + (options.map { ["-o", $0] } ?? []))
    try #require(mount.status == 0, "\(mount)", sourceLocation: sourceLocation)
    let result: Result<Void, any Error>
    do { result = .success(try await body(Machine(root: directory.path))) } catch { result = .failure(error) }
    _ = try await Command.run(["fusermount3", "-uz", directory.path])
    try result.get()
  }

  /// The directory of the upload device.
  func upload(_ name: String = "tdx_module") -> String { root + "/firmware/" + name }

  func read(_ path: String) throws -> String { try File.read(root + "/" + path) }

  /// The errno of reading `path`; nil when it can be read.
  func errorOfReading(_ path: String) -> Errno? {
    do { _ = try read(path) } catch { return error as? Errno }
    return nil
  }

  @discardableResult
  func write(_ text: String, to path: String) throws -> Int { try File.write(Array(text.utf8), to: root + "/" + path) }

  /// The errno of writing `text`; nil when it is taken.
  func errorOfWriting(_ text: String, to path: String) -> Errno? {
    do { try write(text, to: path) } catch { return error as? Errno }
    return nil
  }

  /// Runs `script` with sh in the mount point; it must end with status 0.
  @discardableResult
  func shell(_ script: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> String {
    let finished = try await Command.run(["sh", "-euc", script], in: root)
    #expect(finished.status == 0, "\(finished)", sourceLocation: sourceLocation)
    return finished.output
  }

  /// An update as every administrator does it; what `error` says afterwards.
  func update(with image: String, upload name: String = "tdx_module") async throws -> String {
    try await shell(
      """
      cd firmware/\(name)
      echo 1 > loading
      cat '\(image)' > data
      echo 0 > loading
      """)
    let isIdle = try await eventually(within: 30) { try read("firmware/\(name)/status") == "idle\n" }
    try #require(isIdle)
    return try read("firmware/\(name)/error")
  }

  /// One line of `.tdxfs/why` or `.tdxfs/status` by its key.
  func value(of key: String, in file: String) throws -> String? {
    try read(".tdxfs/" + file).split(separator: "\n").first { $0.hasPrefix(key + "=") }.map {
      String($0.dropFirst(key.utf8.count + 1))
    }
  }
}

/// Forged twins of all public releases, made once for all tests and removed when the process ends.
actor Catalog {
  /// A `#require` would not do: its issue belongs to the first test that waits, and all others would pass.
  struct NotMade: Error {
    let reason: String
  }

  static let shared = Catalog()

  private static let home: TemporaryDirectory? = {
    let home = try? TemporaryDirectory()
    atexit { Catalog.home?.remove() }
    return home
  }()
  private var making: Task<String, any Error>?

  /// The path of the forged image of `version`, e.g. `1.5.28`.
  func image(_ version: String) async throws -> String {
    let line = version.split(separator: ".").prefix(2).joined(separator: ".")
    return try await directory() + "/joined_files/\(line)/tdx_module_\(version).blob"
  }

  /// The catalogue, laid out like Intel's repository.
  func directory() async throws -> String {
    if let making { return try await making.value }
    let task = Task { () throws -> String in
      guard let home = Self.home else { throw NotMade(reason: "no temporary directory") }
      let path = home.path + "/catalog"
      let made = try await Tdxfs.run(["image", "catalog", path], seconds: 60)
      guard made.status == 0 else { throw NotMade(reason: "\(made)") }
      return path
    }
    making = task
    return try await task.value
  }

  /// A copy of the image of `version` with the bits `mask` of the byte at `offset` flipped.
  func image(_ version: String, flipping mask: UInt8, at offset: Int, in directory: TemporaryDirectory) async throws
    -> String
  {
    var bytes = try File.bytes(try await image(version))
    guard bytes.indices.contains(offset) else { throw NotMade(reason: "\(version) has no byte \(offset)") }
    bytes[offset] ^= mask
    let path = directory.path + "/flipped.blob"
    try File.create(path, bytes)
    return path
  }
}
