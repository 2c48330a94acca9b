@main
struct Tdxfs {
  static func main() {}
}
