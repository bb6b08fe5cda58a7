import TestSupport

@testable import Stave

extension Store {
    /// Copies the directory as kill -9 would leave it now: no thread inside waits for a lock.
    func copyAsKilled(to target: String) throws {
        try whileFrozen { try StoreFolder.copy(path, to: target) }
    }

    /// Runs `body` while neither a writer nor the background changes anything.
    func whileFrozen<Result>(_ body: () throws -> Result) throws -> Result {
        compactor.lock.lock()
        log.sealLock.lock()
        log.syncLock.lock()
        index.lock()
        defer {
            index.unlock()
            log.syncLock.unlock()
            log.sealLock.unlock()
            compactor.lock.unlock()
        }
        return try body()
    }

    /// Ends and seals the active segment, whatever its size.
    func sealActive() throws {
        log.withLock {
            guard let appender = log.writer.appender else { return }
            log.writer.full.append(appender)
            log.writer.appender = nil
        }
        try log.sealFull()
    }

    /// Of log, index and compactor.
    func checkInvariants() throws {
        log.checkInvariants()
        try index.checkInvariants()
        compactor.checkInvariants()
    }
}
