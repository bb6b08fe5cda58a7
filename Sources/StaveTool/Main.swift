import ArgumentParser
@main struct StaveCommand: ParsableCommand { mutating func run() throws { print("hi") } }
