import SystemPackage

/// The clients that use whatever upload device there is, each with a habit of its own.
struct UploadClient {
  let habit: MatrixClient
  let image: String

  func run() throws(ClientStop) -> ClientVerdict {
    let directory = try Self.directory()
    let (loading, data) = (directory + "/loading", directory + "/data")
    let bytes: [UInt8]
    do { bytes = try ImageFiles.read(image) } catch { throw .failed(error.description) }
    switch habit {
    case .heldLoading:
      try ClientFiles.with(loading, .writeOnly) { file in
        try ClientFiles.writeOnce(Array("1".utf8), to: file)
        try ClientFiles.replace(data, with: bytes)
        // The descriptor stands at offset 1 now.
        try ClientFiles.writeOnce(Array("0".utf8), to: file)
      }
    case .nulLoading:
      try ClientFiles.replace(loading, with: Array("1\n\0".utf8))
      try ClientFiles.replace(data, with: bytes)
      try ClientFiles.replace(loading, with: Array("0\n\0".utf8))
    case .rdwrData:
      try ClientFiles.replace(loading, with: Array("1".utf8))
      try ClientFiles.with(data, .readWrite) { file in
        try file.writeAll(bytes)
        guard try Self.content(of: file) == bytes else { throw ClientStop.failed("data reads back differently") }
      }
      try ClientFiles.replace(loading, with: Array("0".utf8))
    case .shortWrite:
      try ClientFiles.replace(loading, with: Array("1".utf8))
      try ClientFiles.with(data, .writeOnly) { try ClientFiles.writeOnce(bytes, to: $0) }
      try ClientFiles.replace(loading, with: Array("0".utf8))
    case .shell, .selectorOld, .selectorHybrid, .selectorNew: return .failed("no client of this kind")
    }
    return try ClientFiles.outcome(of: directory)
  }

  /// The directory of the one upload device that there is.
  private static func directory() throws(ClientStop) -> String {
    let parent = "/sys/class/firmware"
    let names = ((try? SmallFile.list(FilePath(parent))) ?? [:]).keys.sorted()
    for name in names {
      let directory = "\(parent)/\(name)"
      if (try? SmallFile.kind(of: FilePath(directory).appending("loading"))) == .file { return directory }
    }
    throw ClientStop(verdict: .missingFile(parent + "/*/loading"))
  }

  private static func content(of file: FileDescriptor) throws -> [UInt8] {
    try file.seek(offset: 0, from: .start)
    var content: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
      guard count > 0 else { return content }
      content.append(contentsOf: buffer[..<count])
    }
  }
}
