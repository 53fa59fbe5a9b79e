internal import Blinding
internal import Keyring
internal import Logging

/// Puts up a new view whenever the keyring has changed, whichever process changed it, and at the turn of the day.
struct KeyringWatch: Sendable {
    /// How often to look at the number of the keyring's state, which stands in memory that all processes share: this
    /// reads no disk and makes no system call.
    private static let interval = Duration.milliseconds(200)
    /// How often invites are looked through for those that have expired.
    private static let tidyTime = Duration.seconds(600)

    let keyring: EndpointKeyring
    let board: EndpointBoard
    let logger: Logger

    /// Watches until the task is cancelled.
    func run() async {
        guard let store = keyring.keyring else { return }
        var seen = -1
        var tidied = ContinuousClock.now
        var day = Epoch(unixSeconds: WallClock.seconds())
        while !Task.isCancelled {
            let today = Epoch(unixSeconds: WallClock.seconds())
            if today != day || ContinuousClock.now - tidied > Self.tidyTime {
                (day, tidied, seen) = (today, .now, -1)
                await tidy(store)
            }
            let number = store.stateNumber
            if number != seen {
                seen = number
                await look()
            }
            try? await Task.sleep(for: Self.interval)
        }
    }

    private func look() async {
        let keyring = keyring
        let last = await board.view.sequence
        do {
            let view = try await Blocking.run { try keyring.view(unlessAt: last) }
            if let view { await board.publish(view) }
        } catch {
            logger.error("the keyring could not be read", metadata: ["reason": "\(error)"])
        }
    }

    private func tidy(_ store: Keyring) async {
        do {
            try await Blocking.run { try store.tidy(now: WallClock.seconds()) }
        } catch {
            logger.error("the keyring was not tidied", metadata: ["reason": "\(error)"])
        }
    }
}
