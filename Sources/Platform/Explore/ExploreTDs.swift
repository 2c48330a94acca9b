import TDXHost

/// TDs for an exploration: what an update must not lose without telling.
public enum ExploreTDs {
  /// Builds `count` TDs on `machine`, each with a vCPU and a page, finalizes them and enters each once.
  public static func build(_ count: Int, on machine: EmulatedMachine) throws(ControlError) {
    for index in 0..<count {
      let name = "td\(index + 1)"
      try machine.createTD(name)
      guard let td = machine.td(named: name) else { continue }
      for step in ["vcpu", "add gpa=0x1000", "finalize", "enter"] { try machine.stepTD(td, step) }
    }
  }

  /// The TDs that live.
  public static func living(on machine: EmulatedMachine) -> [String] {
    machine.tdNames().filter { name in machine.td(named: name).flatMap { try? machine.isTDAlive($0) } ?? false }
  }
}
