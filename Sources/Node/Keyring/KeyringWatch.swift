internal import Blinding
package import Keyring
package import Logging
internal import Transport

/// Notices whenever the keyring has changed, whichever process changed it, and keeps it tidy meanwhile.
package struct KeyringWatch: Sendable {
    /// How often to look at the number of the keyring's state, which stands in memory that all processes share: this
    /// reads no disk and makes no system call.
    private static let interval = Duration.milliseconds(200)
    /// How long to wait before a state is read again that could not be read.
    static let failureTime = Duration.seconds(1)
    /// How often invites are looked through for those that have expired.
    private static let tidyTime = Duration.seconds(600)

    let keyring: Keyring
    let logger: Logger
    /// Told of each state that is new, or may be; again after a while when it throws, so that nobody who was removed
    /// stays because a read failed once.
    let changed: @Sendable () async throws -> Void

    /// A watch that tells `changed`.
    package init(
        keyring: Keyring, logger: Logger, changed: @escaping @Sendable () async throws -> Void
    ) {
        self.keyring = keyring
        self.logger = logger
        self.changed = changed
    }

    /// Watches until the task is cancelled.
    package func run() async {
        let troubles = TroubleLog(logger)
        var seen: Int?
        var tidied = ContinuousClock.now
        var day = Epoch(unixSeconds: WallClock.seconds())
        while !Task.isCancelled {
            let today = Epoch(unixSeconds: WallClock.seconds())
            if today != day || ContinuousClock.now - tidied > Self.tidyTime {
                (day, tidied) = (today, .now)
                await tidy()
            }
            var pause = Self.interval
            if keyring.stateNumber != seen {
                do {
                    // Asked first: a commit in between, or one that reads do not see yet, is looked for once more.
                    let number = try await Blocking.run { [keyring] in try keyring.readNumber() }
                    if number != seen { try await changed() }
                    seen = number
                    troubles.end()
                } catch {
                    if Task.isCancelled { break }  // whoever watched is stopping: nothing is wrong
                    troubles.say(.error, "the keyring could not be read", reason: ErrorWords.text(of: error))
                    pause = Self.failureTime
                }
            }
            try? await Task.sleep(for: pause)
        }
    }

    private func tidy() async {
        let keyring = keyring
        do {
            try await Blocking.run { try keyring.clock.tidy(now: WallClock.seconds()) }
        } catch {
            logger.error("the keyring was not tidied", metadata: ["reason": "\(error)"])
        }
    }
}
