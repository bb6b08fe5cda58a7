import Foundation

/// Lines of results, of one run or several together.
struct Results {
    private(set) var measurements: [Measurement] = []
    private(set) var machines: [Machine] = []

    init(files: [String]) throws {
        let decoder = JSONDecoder()
        for file in files {
            let text = try String(contentsOfFile: file, encoding: .utf8)
            for line in text.split(separator: "\n") {
                let data = Data(line.utf8)
                if let measurement = try? decoder.decode(Measurement.self, from: data) {
                    measurements.append(measurement)
                } else if let machine = try? decoder.decode(Machine.self, from: data) {
                    machines.append(machine)
                }
            }
        }
    }

    /// The figures of one workload of one engine, a value a round.
    struct Series {
        var rounds: [Double]

        var median: Double {
            let sorted = rounds.sorted()
            let middle = sorted.count / 2
            return sorted.count % 2 == 1
                ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
        }
        var least: Double { rounds.min()! }
        var most: Double { rounds.max()! }
    }

    /// A size of store.
    struct Size: Hashable, Comparable {
        var keys: Int
        var keyLength: Int
        var valueLength: Int

        static func < (one: Size, other: Size) -> Bool {
            (one.valueLength, one.keys, one.keyLength)
                < (other.valueLength, other.keys, other.keyLength)
        }
    }

    var sizes: [Size] {
        Set(
            measurements.map {
                Size(keys: $0.keys, keyLength: $0.keyLength, valueLength: $0.valueLength)
            }
        )
        .sorted()
    }

    /// nil where it was not measured.
    func series(
        _ workload: String, _ engine: String, _ size: Size, _ figure: (Measurement) -> Double?
    ) -> Series? {
        let rounds = measurements.filter {
            $0.workload == workload && $0.engine == engine && $0.keys == size.keys
                && $0.keyLength == size.keyLength && $0.valueLength == size.valueLength
        }.compactMap(figure)
        return rounds.isEmpty ? nil : Series(rounds: rounds)
    }

    func hasEngine(_ engine: String, _ size: Size) -> Bool {
        measurements.contains {
            $0.engine == engine && $0.keys == size.keys && $0.valueLength == size.valueLength
                && $0.keyLength == size.keyLength
        }
    }
}
