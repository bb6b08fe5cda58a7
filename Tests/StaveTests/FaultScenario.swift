#if STAVE_FAULTS
    import Glibc
    import StaveDisk
    import TestSupport
    import Testing

    @testable import Stave

    /// A store that is used while a system call fails, and what is known of its keys.
    final class FaultScenario {
        let path: String
        private let folder: String
        private let durability: Durability
        /// The keydir is saved whenever the store is closed, however small it is.
        private var savesKeydir: Bool
        /// Opening a small store takes a second thread, as a large one's does.
        var mergesOnThread = false
        private var store: Store?
        /// What each key may have; more than one where a write's end is not known.
        private var model: [String: [String?]] = [:]
        private var versions = 0
        /// Errors so far, and what is wrong.
        private(set) var errors: [StoreError] = []
        private(set) var problems: [String] = []

        init(folder: String, durability: Durability, savesKeydir: Bool = false) {
            self.folder = folder
            self.savesKeydir = savesKeydir
            path = folder + "/store"
            self.durability = durability
        }

        var options: StoreOptions {
            var options = StoreOptions.small(durability: durability)
            options.compaction.isAutomatic = false
            if savesKeydir { options.checkpointEntries = 0 }
            if mergesOnThread { options.mergeBatch = 2 }
            return options
        }

        // MARK: What is done

        /// Everything that a store does in its life. Steps that fail are left out.
        func run() {
            open()
            for _ in 0..<2 { write(5, bytes: 900) }
            seal()
            attempt { try $0.sync() }
            writeBatch(bytes: 1200)
            write(4, bytes: 1500)
            writeBatch(bytes: 20)
            attempt { _ = try $0.compact() }
            write(3, bytes: 200)
            close()
            open()
            write(2, bytes: 100)
            attempt { _ = try $0.compact() }
            read()
            close()
        }

        /// Opening, and nothing else that could mend what a fault in it has spoiled.
        func runOpening() {
            open()
            close()
        }

        /// Opening what a kill left, and going on.
        func runAfterKill() {
            open()
            write(3, bytes: 900)
            writeBatch(bytes: 900)
            read()
            close()
        }

        /// The keydir is saved, read, made stale, and saved again.
        func runWithCheckpoint() {
            open()
            write(4, bytes: 300)
            close()
            open()
            write(3, bytes: 900)
            close()
            open()
            attempt { _ = try $0.compact() }
            read()
            close()
            open()
            close()
        }

        private func attempt(_ body: (Store) throws -> Void) {
            guard let store else { return }
            do { try body(store) } catch { note(error) }
        }

        private func open() {
            close()
            do {
                let store = try Store(path: path, options: options)
                store.worker.stop()
                self.store = store
                checkAll("after opening")
            } catch {
                note(error)
            }
        }

        private func close() {
            attempt { try $0.close() }
            store = nil
        }

        private func seal() {
            attempt { store in
                try store.index.withLock { try store.log.endActiveSegment() }
                try store.log.sealFull()
            }
        }

        private func read() {
            attempt { _ = try Store(path: $0.path, options: .reading).dictionary() }
        }

        private func write(_ count: Int, bytes: Int) {
            for number in 0..<count {
                versions += 1
                let key = "key \(versions % 4)"
                if number == 2 {
                    change(key, to: nil) { try $0.removeValue(forKey: key) }
                } else {
                    let value = "\(versions) " + String(repeating: "x", count: bytes)
                    change(key, to: value) { try $0.set(value, forKey: key) }
                }
            }
        }

        /// Two keys that a batch sets to the same value.
        private static let pair = ["left", "right"]

        private func writeBatch(bytes: Int) {
            versions += 1
            let value = "\(versions) " + String(repeating: "b", count: bytes)
            change(Self.pair, to: value) { store in
                try store.write { batch in
                    for key in Self.pair { try batch.set(value, forKey: key) }
                }
            }
        }

        private func change(_ key: String, to value: String?, _ body: (Store) throws -> Void) {
            change([key], to: value, body)
        }

        private func change(
            _ keys: [String], to value: String?, _ body: (Store) throws -> Void
        ) {
            guard let store else { return }
            do {
                try body(store)
                for key in keys { model[key] = [value] }
            } catch {
                note(error)
                // Any other error means that nothing was written.
                if case .syncFailed? = error as? StoreError {
                    for key in keys { model[key, default: [nil]].append(value) }
                }
            }
            for key in keys { check(key, "in memory") }
        }

        // MARK: What must be true

        private func note(_ error: any Error) {
            guard let error = error as? StoreError else {
                problems.append("not a store's error: \(error)")
                return
            }
            errors.append(error)
            if !error.description.contains(folder) {
                problems.append("an error that names no file: \(error.description)")
            }
        }

        private func check(_ key: String, _ place: String) {
            guard let store else { return }
            do {
                let found = try store.value(forKey: key).map { String(decoding: $0, as: UTF8.self) }
                let allowed = model[key, default: [nil]]
                guard !allowed.contains(found) else { return }
                problems.append(
                    "\(place), \(key) is \(short(found)), not \(allowed.map(short))")
            } catch {
                problems.append("\(place), \(key): \(error)")
            }
        }

        private func short(_ value: String?) -> String { value.map { "\($0.prefix(5))" } ?? "gone" }

        private func checkAll(_ place: String) {
            guard let store else { return }
            for key in model.keys.sorted() { check(key, place) }
            if let values = try? Self.pair.map({ try store.value(forKey: $0) }),
                values[0] != values[1]
            {
                problems.append("\(place), half a batch is there")
            }
            do {
                let count = try store.allEntries().count
                if count != store.count || store.isReadOnly {
                    problems.append("\(place), \(count) keys in a scan, \(store.count) counted")
                }
            } catch {
                problems.append("\(place), a scan: \(error)")
            }
        }

        /// With no fault any more: all that was acknowledged is there, and the store can be used.
        func verify() {
            for round in 0..<2 {
                let before = errors.count
                open()
                if errors.count > before { problems.append("does not open: \(errors.last!)") }
                checkAll("reopened (\(round))")
                write(2, bytes: 50)
                close()
                if errors.count > before {
                    problems.append("error when used again: \(errors.last!)")
                }
            }
        }

        /// What a scenario begins with: the store in it was filled, left as a kill leaves it, and
        /// lacks a hint; and the model of what it holds.
        func begin(with store: LeftStore) throws {
            try StoreFolder.copy(store.path, to: path)
            model = store.model
        }

        /// A directory that no store has open, and what it holds.
        struct LeftStore {
            var path: String
            var model: [String: [String?]]
        }

        /// A store with sealed segments that was closed, with its keydir saved or not.
        static func closed(in folder: String, savesKeydir: Bool) throws -> LeftStore {
            let scenario = FaultScenario(
                folder: folder, durability: .os, savesKeydir: savesKeydir)
            scenario.open()
            scenario.write(8, bytes: 900)
            scenario.seal()
            scenario.write(3, bytes: 900)
            scenario.close()
            // Newer than the keydir that was saved.
            if savesKeydir {
                scenario.savesKeydir = false
                scenario.open()
                scenario.write(3, bytes: 900)
                scenario.close()
            }
            let copy = folder + "/closed"
            try StoreFolder.copy(scenario.path, to: copy)
            return LeftStore(path: copy, model: scenario.model)
        }

        /// A store with sealed segments, a full one, a torn tail and leftovers.
        static func killed(in folder: String) throws -> LeftStore {
            let scenario = FaultScenario(folder: folder, durability: .os)
            scenario.open()
            scenario.write(8, bytes: 900)
            scenario.seal()
            scenario.write(8, bytes: 900)
            let copy = folder + "/killed"
            try scenario.store!.copyAsKilled(to: copy)
            scenario.close()
            let names = try StoreFolder.segments(copy)
            var bytes = try StoreFolder.bytes(copy, names.last!)
            bytes[bytes.count - 100] = 1
            try StoreFolder.write(bytes, copy, names.last!)
            for hint in try StoreFolder.hints(copy) { try StoreFolder.remove(copy, hint) }
            try StoreFolder.write([1, 2, 3], copy, "0000009999.segment")
            try StoreFolder.write([1, 2, 3], copy, "MANIFEST.tmp")
            return LeftStore(path: copy, model: scenario.model)
        }
    }
#endif
