// libFuzzer's way in. STAVE_FUZZ names the target.
import Glibc

private let target: @Sendable ([UInt8]) -> Void = {
    let name = unsafe getenv("STAVE_FUZZ").map { unsafe String(cString: $0) } ?? ""
    if name == "survey" { return { FuzzSurvey.run($0) } }
    if name == "transfer" { return { FuzzTransfer.run($0) } }
    guard let target = FuzzTarget(rawValue: name) else {
        fatalError("STAVE_FUZZ must be survey, transfer, or one of \(FuzzTarget.allCases)")
    }
    return { target.run($0) }
}()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    unsafe target(Array(UnsafeBufferPointer(start: start, count: count)))
    return 0
}
