/// The version of this library and of the program, as in CHANGELOG.md: `0.2.0`. The one place where
/// it stands.
public let staveVersion = "0.2.0"
