import Basics
import ModuleImage

/// An image file as bytes: taken apart, judged, described and converted. What was taken apart and put together again is the
/// same, and what is judged genuine has a signature and a hash that are right.
enum HeadersTarget {
  static func run(_ input: [UInt8]) throws {
    var choice = FuzzInput(input)
    let file: [UInt8]
    switch choice.byte() % 4 {
    case 0: file = choice.remaining()
    case 1:
      // A header of the input's own before a sigstruct of the input's own.
      let header = choice.bytes(32)
      let sigstruct = choice.bytes(SEAMSigstruct.size)
      file =
        header + [UInt8](repeating: 0, count: 4096 - header.count) + sigstruct
        + [UInt8](repeating: 0, count: 4096 - sigstruct.count) + choice.remaining()
    default: file = FuzzImages.changed(&choice)
    }
    guard let image = try? ModuleImageFile(file) else { return }
    let report = ImageReport(image)
    _ = (report.date, report.versionOrigin, report.isHashRight)
    var conditions = ImageVerification.Conditions()
    conditions.sockets = choice.bool() ? [0x806F8] : []
    conditions.handoffVersion = choice.bool() ? UInt16(choice.byte() & 3) : nil
    conditions.runningSVN = choice.bool() ? image.sigstruct.svn : nil
    conditions.isSystemUnderDebug = choice.bool()
    let verdict = ImageVerification(image, conditions: conditions)
    if verdict.isPassed {
      try Finding.unless(report.isHashRight && report.signature == .valid, "an image passes that is not genuine")
      try Finding.unless(image.problems.isEmpty, "an image passes that has problems")
    }
    if image.problems.isEmpty {
      let bytes = ModuleImageFile.bytes(format: image.format, sigstruct: image.sigstruct, module: image.module)
      let again = try? ModuleImageFile(bytes)
      try Finding.unless(
        again?.sigstruct == image.sigstruct && again?.module == image.module, "put together it differs")
    }
    for format in ModuleImageFile.Format.allCases {
      guard let converted = try? ImageConversion(file, to: format) else { continue }
      let again = try? ModuleImageFile(converted.bytes)
      try Finding.unless(
        again?.format == format && again?.sigstruct == image.sigstruct && again?.module == image.module,
        "converted to \(format.name) it is another image")
    }
    _ = ModuleELF.entryPoint(of: image.module)
    _ = try? ModuleELF.relocations(of: image.module)
  }
}
