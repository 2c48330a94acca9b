import SystemPackage
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// SIGKILL, SIGTERM and SIGINT at random points. After each no client hangs, no mount is stale, nothing that a client was told
/// is lost, and the next mount says what happened. `TDXFS_FAULT_SEED` repeats a run as far as the points can be hit again,
/// `TDXFS_FAULT_ROUNDS=10` makes it ten times as long.
@Suite(
  "Signals to the daemon", .enabled(if: Tdxfs.canMount, Tdxfs.needsRoot), .serialized, .timeLimit(.minutes(20)))
struct ProcessSignalTests {
  private static let signals = [SIGKILL, SIGTERM, SIGINT]

  /// Ends `server` by `signal`, and checks what has to hold of the place and of `client` then.
  private func end(
    _ server: Server, of client: Running, on ground: Ground, by signal: Int32, _ comment: Comment
  ) async throws {
    let status = try await server.end(by: signal)
    #expect(status == (signal == SIGKILL ? 128 + SIGKILL : 0), comment)
    // Only the kernel could take away what a killed process has mounted.
    #expect(try ground.mounts == (signal == SIGKILL ? 1 : 0), comment)
    let clientStatus = try await client.end()
    #expect(clientStatus != nil, "a client hangs; \(comment)")
  }

  /// Mounts after `signal`, and checks what the mount says.
  private func remount(_ ground: Ground, _ options: String, after signal: Int32?, _ comment: Comment) async throws
    -> Server
  {
    let server = try await ground.serve(options)
    let said = server.errors
    #expect(said.hasPrefix("tdxfs: removed the dead mount on \(ground.place)") == (signal == SIGKILL), comment)
    #expect(try ground.mounts == 1, comment)
    if signal != nil { #expect(try ground.machine.read(".tdxfs/log").contains("tdxfs: restored from"), comment) }
    return server
  }

  @Test("in the middle of uploads: every update that a client saw end has happened, and no other")
  func uploads() async throws {
    let image = try await Catalog.shared.image("1.5.28")
    var chance = Chance()
    try await Ground.prepared { ground in
      let options = "lps=2,updates=60000,\(ground.state)"
      var server = try await remount(ground, options, after: nil, chance.name)
      var remaining = 60000
      for round in Chance.rounds(40) {
        let comment: Comment = "\(chance.name), round \(round)"
        let client = try ground.client(
          """
          cd firmware/tdx_module || exit 1
          while echo 1 > loading && cat '\(image)' > data && echo 0 > loading; do
            while status=$(cat status) || exit 2; [ "$status" != idle ]; do :; done
            error=$(cat error) && [ -z "$error" ] || exit 3
            echo updated
          done
          exit 4
          """)
        try await chance.wait(upTo: 60)
        let signal = Self.signals[chance.number(below: 3)]
        try await end(server, of: client, on: ground, by: signal, comment)
        server = try await remount(ground, options, after: signal, comment)
        let isIdle = try await eventually(within: 20) {
          try ground.machine.read("firmware/tdx_module/status") == "idle\n"
        }
        #expect(isIdle, comment)
        #expect(try ground.machine.read("firmware/tdx_module/error") == "", comment)
        let left = try #require(try ground.number("remaining_updates"), comment)
        let seen = try ground.said().count
        // One more may have ended just before, or gone on at the mount.
        #expect((seen...seen + 1).contains(remaining - left), "\(seen) seen, \(remaining - left) done; \(comment)")
        #expect(try ground.machine.read("version") == (left < 60000 ? "1.5.28\n" : "1.5.24\n"), comment)
        remaining = left
      }
      #expect(remaining < 60000, "no update was ever made; \(chance.name)")
      #expect(try await ground.machine.update(with: image) == "")
      #expect(try await server.end() == 0)
    }
  }

  @Test("in the middle of state writes: what was told as done is in the file")
  func stateWrites() async throws {
    var chance = Chance()
    try await Ground.prepared { ground in
      let options = "lps=2,\(ground.state)"
      var server = try await remount(ground, options, after: nil, chance.name)
      var made = 0
      for round in Chance.rounds(20) {
        let comment: Comment = "\(chance.name), round \(round)"
        let client = try ground.client(
          """
          n=0
          while n=$((n + 1)); echo 'stage=install busy' > .tdxfs/fault/plan$n; do echo made; done
          exit 4
          """)
        try await chance.wait(upTo: 40)
        let signal = Self.signals[chance.number(below: 3)]
        try await end(server, of: client, on: ground, by: signal, comment)
        server = try await remount(ground, options, after: signal, comment)
        let plans = try await ground.machine.shell("ls .tdxfs/fault").split(separator: "\n")
        let seen = try ground.said().count
        #expect((seen...seen + 1).contains(plans.count), "\(seen) seen, \(plans.count) made; \(comment)")
        made += plans.count
        try await ground.machine.shell("cd .tdxfs/fault; ls | xargs -r rm")
      }
      #expect(made > 0, "no plan was ever made; \(chance.name)")
      #expect(try await server.end() == 0)
    }
  }

  @Test("between exec and the first answer: nothing is mounted afterwards")
  func start() async throws {
    var chance = Chance()
    try await Ground.prepared { ground in
      var unmounted = 0
      for round in Chance.rounds(60) {
        let comment: Comment = "\(chance.name), round \(round)"
        let server = try ground.start("lps=2,\(ground.state)")
        // On a busy machine the start takes long.
        try await chance.wait(upTo: 40 + 8 * round)
        // The command may not have begun, and is then ended as anybody would be.
        let status = try await server.end(by: Self.signals[1 + chance.number(below: 2)])
        #expect(status == 0 || status == 128 + SIGTERM || status == 128 + SIGINT, comment)
        #expect(try ground.mounts == 0, comment)
        if status == 0 { unmounted += 1 }
      }
      #expect(unmounted > 0, "no daemon came so far as to unmount; \(chance.name)")
    }
  }

  @Test("to the command that has not yet said that it is mounted: a mount that is there is served")
  func command() async throws {
    var chance = Chance()
    try await Ground.prepared { ground in
      for round in Chance.rounds(20) {
        let comment: Comment = "\(chance.name), round \(round)"
        let command = Running(
          pid: try Command.spawn(
            [try Tdxfs.binary(), ground.place, "-o", "lps=2"], output: "/dev/null", errors: "/dev/null"))
        try await chance.wait(upTo: 30)
        kill(command.pid, Self.signals[chance.number(below: 3)])
        let status = try await command.end()
        #expect(status != nil, comment)
        // Whoever could not tell anybody unmounts; whoever could stays.
        let isSettled = try await eventually(within: 20) {
          if ground.machine.errorOfReading("version") == nil { return true }
          return try await ground.daemons().isEmpty
        }
        #expect(isSettled, comment)
        let again = try await Tdxfs.run([ground.place, "-o", "lps=2"])
        #expect(again.status == 0 || again.errors.contains("is a tdxfs mount already"), "\(again) \(comment)")
        #expect(!again.errors.contains("dead mount"), "\(again) \(comment)")
        let isFree = try await ground.unmount()
        #expect(isFree, comment)
      }
    }
  }
}
