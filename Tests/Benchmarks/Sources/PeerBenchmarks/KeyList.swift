import Workbench

/// Keys that lie one behind the other, as the address and length of each, for calls that take many.
final class KeyList {
    let addresses: UnsafeMutablePointer<UnsafePointer<CChar>?>
    let lengths: UnsafeMutablePointer<Int>
    let keyLength: Int

    init(capacity: Int, keyLength: Int) {
        addresses = .allocate(capacity: capacity)
        lengths = .allocate(capacity: capacity)
        lengths.initialize(repeating: keyLength, count: capacity)
        self.keyLength = keyLength
    }

    func set(_ keys: UnsafeRawBufferPointer, count: Int) {
        for index in 0..<count {
            addresses[index] = (keys.baseAddress! + index * keyLength).assumingMemoryBound(
                to: CChar.self)
        }
    }

    deinit {
        addresses.deallocate()
        lengths.deallocate()
    }
}

extension UnsafeRawBufferPointer {
    var characters: UnsafePointer<CChar> { baseAddress!.assumingMemoryBound(to: CChar.self) }

    /// The key of an index in keys that lie one behind the other.
    func key(_ index: Int, _ length: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: baseAddress! + index * length, count: length)
    }
}

extension UnsafeMutableRawPointer? {
    /// The check that was handed through a C callback.
    var check: UnsafeMutablePointer<Check> { self!.assumingMemoryBound(to: Check.self) }
}

func succeed(_ isRight: Bool, _ call: @autoclosure () -> String) {
    if !isRight { fatalError(call()) }
}
