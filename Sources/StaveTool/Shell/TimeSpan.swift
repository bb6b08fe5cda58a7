internal import ArgumentParser

/// A length of time in whole seconds, as `90`, `90s`, `5m`, `1h` or `7d`.
struct TimeSpan: ExpressibleByArgument {
    let seconds: Int

    init?(argument: String) {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        let unit = argument.last.flatMap { units[$0] }
        let digits = unit == nil ? argument[...] : argument.dropLast()
        guard digits.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(digits) else {
            return nil
        }
        let (seconds, isTooLong) = number.multipliedReportingOverflow(by: unit ?? 1)
        // The clock of records ends after 136 years.
        guard !isTooLong, seconds <= Int(UInt32.max) else { return nil }
        self.seconds = seconds
    }
}
