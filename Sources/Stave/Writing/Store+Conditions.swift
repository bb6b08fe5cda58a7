internal import StaveDisk

/// What must be true of a key when it is set.
public enum WriteCondition: Equatable, Sendable {
    case absent
    case present
    /// The key has this value.
    case value([UInt8])
    /// The key's newest write has this number, see `Store.version(forKey:)`.
    case version(UInt64)
}

// Writes that depend on what is there. Each is a batch: what it read is checked under the lock that
// all writers take, when it is made.

extension Store {
    /// Sets the value of a key if the condition holds.
    ///
    /// - Returns: false, and nothing is written, where it does not hold.
    /// - Throws: as `set(_:forKey:deferringSync:)`, and where the key's newest record is damaged.
    public func set(
        _ value: RawSpan, forKey key: RawSpan, if condition: WriteCondition,
        deferringSync: Bool = false
    ) throws(StoreError) -> Bool {
        while true {
            var batch = Batch(self)
            let isSet = try batch.set(value, forKey: key, if: condition)
            if try commit(batch, deferringSync: deferringSync) { return isSet }
        }
    }

    /// `set(_:forKey:if:deferringSync:)` for arrays of bytes.
    public func set(
        _ value: [UInt8], forKey key: [UInt8], if condition: WriteCondition,
        deferringSync: Bool = false
    ) throws(StoreError) -> Bool {
        unsafe try set(
            value.span.bytes, forKey: key.span.bytes, if: condition, deferringSync: deferringSync)
    }

    /// Adds to the whole number that a key holds in decimal digits; an absent key counts as 0.
    ///
    /// - Returns: the sum, which the key now holds.
    /// - Throws: `StoreError.notANumber` where the value is no number of 64 bits, or the sum is
    ///   none.
    public func increment(
        _ key: [UInt8], by difference: Int64 = 1, deferringSync: Bool = false
    ) throws(StoreError) -> Int64 {
        try change(deferringSync: deferringSync) { (batch) throws(StoreError) in
            try batch.increment(key, by: difference)
        }
    }

    /// Adds bytes behind a key's value; an absent key counts as an empty one.
    ///
    /// Writes the whole value again: a list that grows without end takes a key for each element.
    ///
    /// - Returns: the length of the value now, in bytes.
    public func append(
        _ bytes: [UInt8], toKey key: [UInt8], deferringSync: Bool = false
    ) throws(StoreError) -> Int {
        try change(deferringSync: deferringSync) { (batch) throws(StoreError) in
            try batch.append(bytes, toKey: key)
        }
    }

    /// Gives a value another key.
    ///
    /// - Parameter replacing: also where `new` is there.
    /// - Returns: what kept it from being done; nil where it was done.
    public func rename(
        _ old: [UInt8], to new: [UInt8], replacing: Bool = false, deferringSync: Bool = false
    ) throws(StoreError) -> Batch.Obstacle? {
        try change(deferringSync: deferringSync) { (batch) throws(StoreError) in
            try batch.rename(old, to: new, replacing: replacing)
        }
    }

    /// Gives a second key the value of a first.
    ///
    /// - Parameter replacing: also where `new` is there.
    /// - Returns: what kept it from being done; nil where it was done.
    public func copy(
        _ old: [UInt8], to new: [UInt8], replacing: Bool = false, deferringSync: Bool = false
    ) throws(StoreError) -> Batch.Obstacle? {
        try change(deferringSync: deferringSync) { (batch) throws(StoreError) in
            try batch.copy(old, to: new, replacing: replacing)
        }
    }
}

extension Batch {
    /// Why `rename` or `copy` writes nothing.
    public enum Obstacle: Equatable, Sendable {
        /// The key to take from is absent.
        case sourceIsAbsent
        /// The key to give to is there.
        case targetIsPresent
    }

    /// `Store.set(_:forKey:if:deferringSync:)` as part of the batch. What the batch itself has set
    /// has no version yet.
    public mutating func set(
        _ value: RawSpan, forKey key: RawSpan, if condition: WriteCondition
    ) throws(StoreError) -> Bool {
        guard try holds(condition, key) else { return false }
        try set(value, forKey: key)
        return true
    }

    private mutating func holds(
        _ condition: WriteCondition, _ key: RawSpan
    ) throws(StoreError) -> Bool {
        switch condition {
        case .absent: try !contains(key: key)
        case .present: try contains(key: key)
        case .value(let value): try self.value(forKey: key) == value
        case .version(let version): try self.version(forKey: key) == version
        }
    }

    /// `Store.increment(_:by:deferringSync:)` as part of the batch.
    public mutating func increment(
        _ key: [UInt8], by difference: Int64 = 1
    ) throws(StoreError) -> Int64 {
        let value = try value(forKey: key) ?? Array("0".utf8)
        let isWritten = value.count <= 20 && value.first != UInt8(ascii: "+")
        guard isWritten, let number = Int64(String(decoding: value, as: UTF8.self)) else {
            throw .notANumber(key: key, reason: "its value is no whole number of 64 bits")
        }
        let (sum, isTooLarge) = number.addingReportingOverflow(difference)
        if isTooLarge { throw .notANumber(key: key, reason: "the sum has more than 64 bits") }
        try set(Array(String(sum).utf8), forKey: key)
        return sum
    }

    /// `Store.append(_:toKey:deferringSync:)` as part of the batch.
    public mutating func append(
        _ bytes: [UInt8], toKey key: [UInt8]
    ) throws(StoreError) -> Int {
        let value = (try value(forKey: key) ?? []) + bytes
        try set(value, forKey: key)
        return value.count
    }

    /// `Store.rename(_:to:replacing:deferringSync:)` as part of the batch.
    public mutating func rename(
        _ old: [UInt8], to new: [UInt8], replacing: Bool = false
    ) throws(StoreError) -> Obstacle? {
        if let obstacle = try copy(old, to: new, replacing: replacing) { return obstacle }
        if old != new { try removeValue(forKey: old) }
        return nil
    }

    /// `Store.copy(_:to:replacing:deferringSync:)` as part of the batch.
    public mutating func copy(
        _ old: [UInt8], to new: [UInt8], replacing: Bool = false
    ) throws(StoreError) -> Obstacle? {
        unsafe try Store.requireKey(new.span.bytes)
        guard let value = try value(forKey: old) else { return .sourceIsAbsent }
        if old == new { return nil }
        if !replacing, unsafe try contains(key: new.span.bytes) { return .targetIsPresent }
        try set(value, forKey: new)
        return nil
    }
}
