import SystemPackage
import Testing

@Suite(
  "The control directory through a mount",
  .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct ControlTests {
  @Test("kexec and reboot show in the next listing, link counts included")
  func power() async throws {
    try await Machine.mounted { machine async throws in
      #expect(try await machine.shell("stat -c %h .; ls | wc -l") == "3\n7\n")
      try machine.write("kexec\n", to: ".tdxfs/power")
      #expect(try await machine.shell("stat -c %h .; ls | wc -l; test ! -e version && echo gone") == "2\n0\ngone\n")
      try machine.write("reboot\n", to: ".tdxfs/power")
      #expect(try await machine.shell("stat -c %h .; ls | wc -l; cat version") == "3\n7\n1.5.24\n")
    }
  }

  @Test("a reboot makes the upload device anew: open descriptors give ENODEV, staged bytes are gone")
  func reboot() async throws {
    try await Machine.mounted { machine async throws in
      try machine.write("1\n", to: "firmware/tdx_module/loading")
      let data = try FileDescriptor.open(FilePath(machine.upload() + "/data"), .readWrite)
      defer { try? data.close() }
      #expect(try data.writeAll("bytes".utf8) == 5)
      try machine.write("reboot\n", to: ".tdxfs/power")
      #expect(throws: Errno.operationNotSupportedByDevice) { try data.writeAll("more".utf8) }
      #expect(try machine.read("firmware/tdx_module/data") == "")
      #expect(try machine.read("firmware/tdx_module/loading") == "0\n")
    }
  }

  @Test("a refused write is EINVAL, and last_error is one line, whatever was written")
  func refused() async throws {
    try await Machine.mounted { machine async throws in
      #expect(machine.errorOfWriting("off\n", to: ".tdxfs/power") == .invalidArgument)
      #expect(try machine.read(".tdxfs/last_error") == "power: 'off' is none of reboot, kexec\n")
      let long = "re\nboot\0" + String(repeating: "x", count: 3000)
      #expect(machine.errorOfWriting(long, to: ".tdxfs/power") == .invalidArgument)
      let line = try machine.read(".tdxfs/last_error")
      #expect(line.utf8.count < 200 && line.hasSuffix("\n") && !line.dropLast().contains("\n") && !line.contains("\0"))
    }
  }

  @Test("its files can be copied by sendfile, as Python and busybox do")
  func sendfile() async throws {
    try await Machine.mounted { machine async throws in
      let copy = try await machine.shell(
        #"out=$(mktemp); python3 -c 'import shutil,sys; shutil.copyfile(".tdxfs/log", sys.argv[1])' $out; cat $out; rm $out"#
      )
      #expect(copy == (try machine.read(".tdxfs/log")))
    }
  }

  @Test("data can be copied by sendfile after fstat, and after it was closed, looked at and opened again")
  func looksBetweenCopies() async throws {
    try await Machine.mounted { machine async throws in
      try machine.write("1\n", to: "firmware/tdx_module/loading")
      try machine.write(String(repeating: "x", count: 4000), to: "firmware/tdx_module/data")
      let copier = """
        import os
        out = os.open("/dev/null", os.O_WRONLY)
        for i in range(3):
            print(os.stat("data").st_size, end=" ")
            fd = os.open("data", os.O_RDONLY)
            print(os.sendfile(out, fd, 0, 8000), os.fstat(fd).st_size, end=" ")
            print(os.sendfile(out, fd, 0, 8000), end=" ")
            os.close(fd)
        """
      let finished = try await Command.run(["python3", "-c", copier], in: machine.upload())
      #expect(finished.output == String(repeating: "0 4000 0 4000 ", count: 3), "\(finished)")
    }
  }

  /// The kernel holds a page of `data` for who copies it, and must get its bytes while others open the file.
  @Test("many who copy data by sendfile while others open it: nobody waits for ever")
  func copiesAndOpens() async throws {
    try await Machine.mounted { machine async throws in
      try machine.write("1\n", to: "firmware/tdx_module/loading")
      try machine.write(String(repeating: "x", count: 4000), to: "firmware/tdx_module/data")
      let copier = """
        import os
        for i in range(300):
            fd = os.open("data", os.O_RDONLY)
            out = os.open("/dev/null", os.O_WRONLY)
            os.sendfile(out, fd, 0, 4096)
            os.close(fd); os.close(out)
        """
      let opener = "import os\nfor i in range(1000): os.close(os.open('data', os.O_RDONLY))"
      let finished = try await Command.run(
        [
          "sh", "-euc", #"python3 -c "$1" & python3 -c "$2" & python3 -c "$1" & python3 -c "$2" & wait"#, "sh", copier,
          opener,
        ], in: machine.upload())
      #expect(finished.status == 0, "\(finished)")
      #expect(try machine.read("version") == "1.5.24\n")
    }
  }

  @Test("writing data needs CAP_SYS_RAWIO, however many groups the caller is in")
  func rawIO() async throws {
    try await Machine.mounted { machine async throws in
      let groups = (100_000..<100_900).map(String.init).joined(separator: ",")
      let finished = try await Command.run(
        [
          "setpriv", "--bounding-set=-sys_rawio", "--groups", groups, "sh", "-c",
          "printf x | cat > firmware/tdx_module/data",
        ], in: machine.root)
      #expect(finished.status != 0)
      #expect(finished.errors.contains("Operation not permitted"), "\(finished)")
      #expect(try machine.read("firmware/tdx_module/data") == "")
    }
  }

  @Test("tdxfs run --at sees CPUs come and go, from any directory")
  func liveCPUs() async throws {
    try await Machine.mounted { machine async throws in
      let name = String(machine.root.split(separator: "/").last ?? "")
      let finished = try await Command.run(
        [
          try Tdxfs.binary(), "run", "--at", name, "--", "sh", "-euc",
          #"cd /; echo 0 > "$TDXFS_CONTROL/cpu/1/online"; cat /sys/devices/system/cpu/online"#,
        ], in: "/tmp")
      #expect(finished.output == "0,2-3\n", "\(finished)")
    }
  }
}
