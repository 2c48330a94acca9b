import Basics
import ModuleImage
import Platform
import SEAM

/// An image through `loading`, `data` and `loading` of a kernel, to the P-SEAMLDR of a machine. Only what is genuine is
/// installed, and whatever happens, the machine goes on.
enum ImagesTarget {
  private static let machines: [FuzzBench] = [
    "abi=v8,module=1.5.24", "abi=v9,module=1.5.24", "abi=merged,module=1.5.24", "abi=v1,module=1.5.24",
    "abi=v3,module=1.5.24", "abi=v5,module=1.5.24", "abi=v7,module=1.5.24", "abi=v10,cpu=gnr,module=2.0.8",
    "abi=selector,module=1.5.6", "abi=v8,cpu=gnr,module=2.0.8",
  ].compactMap { FuzzBench($0 + ",lps=2,memory=1,updates=3,clock=virtual,seed=1") }

  static func run(_ input: [UInt8]) throws {
    var choice = FuzzInput(input)
    guard let other = choice.element(of: machines) else { throw Finding(description: "no machine") }
    let bench = FuzzBench(like: other)
    for _ in 0..<(1 + choice.byte() % 3) {
      let chunk = [4096, 4096, 1, 13, 4095, 4097, 8192][choice.below(7)]
      let image = choice.byte() % 8 == 0 ? choice.bytes(Int(choice.number(UInt16.self))) : FuzzImages.changed(&choice)
      let before = bench.machine.state.silicon.machine.residentProgram
      // A byte a write takes long and tells nothing new behind the first page.
      let error = bench.update(to: image, chunk: image.count > 4096 ? max(chunk, 512) : chunk)
      if error == "\n" || error == "", let installed = bench.machine.state.silicon.machine.residentProgram,
        installed != before, let file = try? ModuleImageFile(image)
      {
        try Finding.unless(file.sigstruct.verifySignature() == .valid, "an image without signature was installed")
        // Of a file that is no whole number of pages, kernels pass on the whole ones.
        try Finding.unless(
          !file.problems.isEmpty
            || ImageDigest.sha384(file.module).elementsEqual(file.sigstruct.slice(SEAMSigstruct.seamHashRange)),
          "a module with another hash was installed")
      }
      try bench.lookAtAll()
    }
    bench.write("reboot\n", to: ".tdxfs/power")
    try bench.lookAtAll()
    try Finding.unless(bench.machine.status().values["power"] == "on", "the machine is not on after a reboot")
  }
}
