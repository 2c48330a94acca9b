import Basics
import Kernfs
import ModuleImage
import Platform

/// Why a trace cannot be replayed, in one line for people.
public struct RecordingError: Error, Equatable, CustomStringConvertible, Sendable {
  /// What is wrong and what to do.
  public let description: String

  /// The refusal `description`.
  public init(_ description: String) {
    self.description = description
  }
}

/// A trace that was saved: what clients did in it, and what has to come out when they do it again.
public struct Recording: Sendable {
  /// Something that a client does.
  public enum Action: Equatable, Sendable {
    /// One write call on a text attribute or a control file.
    case write([UInt8])
    /// Writes of `chunk` bytes each to a binary attribute, from `offset` on.
    case data(offset: Int64, bytes: [UInt8], chunk: Int)
    /// A read of an attribute that asks the P-SEAMLDR.
    case read
    /// creat(2)
    case create
    /// unlink(2)
    case unlink
    /// mkdir(2)
    case makeDirectory
    /// rmdir(2)
    case removeDirectory
  }

  /// An action, and where it stands.
  public struct Step: Equatable, Sendable {
    /// Path of the file, from the root of the mount.
    public var path: String
    /// What is done to it.
    public var action: Action
    /// Records that came before it.
    public var index: Int
    /// No upload ran when it was done.
    public var isBetweenUploads: Bool
    /// It was refused for want of CAP_SYS_RAWIO.
    public var isDenied: Bool
  }

  /// The records, each a line without its newline.
  public let lines: [String]
  /// The machine that was recorded.
  public let options: MachineOptions
  /// What clients did, in order.
  public let steps: [Step]
  /// No upload was left running at the end.
  public let endsIdle: Bool

  /// The recording in `text`. `image` gives the bytes of the image with a SHA-384, where the recording has them not itself.
  public init(text: [UInt8], image: @escaping (_ sha384: String) -> [UInt8]?) throws(RecordingError) {
    var lines: [String] = []
    var values: [JSONValue] = []
    var images: [String: [UInt8]] = [:]
    for (number, line) in text.split(separator: UInt8(ascii: "\n")).enumerated() {
      guard let value = JSONValue(text: line), let event = value["event"]?.string else {
        throw RecordingError("line \(number + 1) is no record of a trace")
      }
      if event == "image" {
        guard let digest = value["sha384"]?.string, let bytes = value["base64"]?.string.flatMap(Base64.bytes) else {
          throw RecordingError("line \(number + 1) is no image")
        }
        images[digest] = bytes
        continue
      }
      lines.append(String(decoding: line, as: UTF8.self))
      values.append(value)
    }
    guard let first = values.first, first["event"]?.string == "power-on", let options = first["options"]?.string else {
      throw RecordingError(
        "the trace does not begin with power-on: it has lost its beginning (a trace keeps \(Trace.capacity) records)")
    }
    do throws(OptionError) {
      self.options = try MachineOptions(text: options)
    } catch {
      throw RecordingError("the recorded machine cannot be made: \(error)")
    }
    guard self.options.device == .tdxHost else {
      throw RecordingError("runs on device=\(self.options.device.rawValue) cannot be replayed: the trace lacks images")
    }
    self.lines = lines
    var reader = StepReader(values: values, embedded: images, other: image)
    steps = try reader.steps()
    endsIdle = reader.isBetweenUploads
  }
}

extension Recording {
  /// The options of the machine in `line`, a record of power-on.
  public static func options(in line: String) -> String? { JSONValue(text: line.utf8)?["options"]?.string }
}

/// Turns records into steps.
private struct StepReader {
  let values: [JSONValue]
  let embedded: [String: [UInt8]]
  let other: (String) -> [UInt8]?
  var isBetweenUploads = true

  init(values: [JSONValue], embedded: [String: [UInt8]], other: @escaping (String) -> [UInt8]?) {
    self.values = values
    self.embedded = embedded
    self.other = other
  }

  mutating func steps() throws(RecordingError) -> [Recording.Step] {
    var steps: [Recording.Step] = []
    for (index, value) in values.enumerated() {
      let event = value["event"]?.string ?? ""
      if let action = try action(event, value, index: index) {
        guard let path = value["file"]?.string, !path.split(separator: "/").contains("..") else {
          throw RecordingError("record \(index + 1): \(event) has no file")
        }
        steps.append(
          Recording.Step(
            path: path, action: action, index: index, isBetweenUploads: isBetweenUploads,
            isDenied: event == "data" && isDenied(index + 1, path: path)))
      }
      switch event {
      case "upload": isBetweenUploads = false
      case "upload-end", "power-on", "kexec": isBetweenUploads = true
      default: break
      }
    }
    return steps
  }

  /// Whether the record `index` says that the operation on `path` before it was refused with EPERM.
  private func isDenied(_ index: Int, path: String) -> Bool {
    guard values.indices.contains(index) else { return false }
    return values[index]["event"]?.string == "refused" && values[index]["file"]?.string == path
      && values[index]["errno"]?.integer == 1
  }

  private func action(_ event: String, _ value: JSONValue, index: Int) throws(RecordingError) -> Recording.Action? {
    switch event {
    case "write":
      if let text = value["text"]?.string { return .write(Array(text.utf8)) }
      guard let bytes = value["hex"]?.string.flatMap({ [UInt8](hexadecimal: $0) }) else {
        throw RecordingError("record \(index + 1): a write without text")
      }
      return .write(bytes)
    case "data": return try data(value, index: index)
    case "read": return .read
    case "create": return .create
    case "unlink": return .unlink
    case "mkdir": return .makeDirectory
    case "rmdir": return .removeDirectory
    default: return nil
    }
  }

  /// The bytes of staged data are those of the image that was uploaded. What was never uploaded may be anything.
  private func data(_ value: JSONValue, index: Int) throws(RecordingError) -> Recording.Action {
    let limit = 1 << 30
    guard let offset = value["offset"]?.integer, let count = value["bytes"]?.integer,
      let chunk = value["chunk"]?.integer,
      offset >= 0, (1...limit).contains(count), (1...4096).contains(chunk)
    else { throw RecordingError("record \(index + 1): data without offset, bytes and chunk") }
    var bytes = [UInt8](repeating: 0, count: count)
    if let digest = digestOfUpload(after: index) {
      guard let image = embedded[digest] ?? other(digest) else {
        throw RecordingError(
          "the image with SHA-384 \(digest.prefix(16))… is needed: name the directory that has it with --images")
      }
      for (position, byte) in image.dropFirst(offset).prefix(count).enumerated() { bytes[position] = byte }
    }
    return .data(offset: Int64(offset), bytes: bytes, chunk: chunk)
  }

  /// SHA-384 of the upload that takes what is staged at the record `index`; nil when it is dropped before.
  private func digestOfUpload(after index: Int) -> String? {
    for value in values[(index + 1)...] {
      switch value["event"]?.string {
      case "update-start"?: return value["sha384"]?.string
      case "loading"?, "upload-end"?, "power-on"?, "kexec"?: return nil
      case _?, nil: continue
      }
    }
    return nil
  }
}
