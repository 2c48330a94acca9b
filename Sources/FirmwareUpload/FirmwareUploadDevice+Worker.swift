/// The work item of an upload (`fw_upload_main`, kernel-abi 2.5). It is queued once per upload and owns the image. It begins
/// with the phase that the device is in, which is another than receiving where an upload was saved in the middle.
extension FirmwareUploadDevice {
  func upload(_ image: [UInt8]) {
    do throws(FirmwareUploadError) {
      // A failure that was saved is the end of it.
      if withMachine({ $0.failure }) == nil {
        if progress == .receiving { enter { $0.begin() } }
        if progress == .preparing {
          try driver.prepare(image: image)
          enter { $0.prepared() }
        }
        if progress == .transferring { try transfer(image) }
        try driver.pollComplete()
      }
    } catch {
      withMachine { $0.fail(error) }
    }
    environment.observe(.ended(withMachine { $0.failure }))
    finish()
  }

  private func transfer(_ image: [UInt8]) throws(FirmwareUploadError) {
    var offset = withMachine { $0.offset }
    while true {
      let taken = try driver.write(image: image, offset: offset)
      let (action, remaining) = withMachine { ($0.wrote(taken), $0.remainingSize) }
      switch action {
      case .writeMore(let next):
        offset = next
        environment.observe(.transferred(remaining: remaining))
      case .pollComplete:
        environment.observe(.transferred(remaining: remaining))
        environment.observe(.entered(.programming))
        return
      case .wroteZero:
        environment.log("\(logPrefix): write-op wrote zero data")
        throw .readWriteError
      }
    }
  }

  private func enter(_ step: (inout UploadStateMachine) -> Void) {
    let progress = withMachine { machine in
      step(&machine)
      return machine.progress
    }
    environment.observe(.entered(progress))
  }
}
