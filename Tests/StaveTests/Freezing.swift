import TestSupport

@testable import Stave

extension Store {
    /// Copies the directory as kill -9 would leave it now: no lock is waited for by anybody inside.
    func copyAsKilled(to target: String) throws {
        try whileFrozen { try StoreFolder.copy(path, to: target) }
    }

    /// Runs `body` while neither a writer nor the background changes anything.
    func whileFrozen<Result>(_ body: () throws -> Result) throws -> Result {
        compactionLock.lock()
        sealLock.lock()
        syncLock.lock()
        lockWriter()
        defer {
            writerLock.unlock()
            syncLock.unlock()
            sealLock.unlock()
            compactionLock.unlock()
        }
        return try body()
    }

    /// Ends and seals the active segment, whatever its size.
    func sealActive() throws {
        withWriterLock {
            guard let appender = writer.appender else { return }
            writer.full.append(appender)
            writer.appender = nil
        }
        try sealFull()
    }
}
