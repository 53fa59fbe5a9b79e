internal import Keyring
internal import Logging
internal import NIOCore
internal import PortalCore

/// Keeps what passes through a portal for whom over a restart, and lets each month begin.
///
/// What passes between two times that it is kept is lost where the process is killed: ten seconds' worth at most.
struct TrafficKeeper: Sendable {
    /// How often it is kept.
    static let interval = 10

    let store: TrafficStore
    let ledger: TrafficLedger
    let logger: Logger

    /// Goes on from what was kept, before the first tunnel.
    func restore() async {
        let month = ledger.month
        do {
            let kept = try await Blocking.run { [store] in try store.load(month: month.number) }
            let usages = kept.map { TrafficUsage(payer: TrafficPayer($0.key), byteCount: $0.value) }
            ledger.restore(usages, of: month, at: .now())
        } catch {
            logger.error(
                "what members have had in this month is not known",
                metadata: ["reason": "\(ErrorWords.text(of: error))"])
        }
    }

    /// Looks at the calendar each second, and keeps what has passed, until the task is cancelled.
    func run() async {
        let troubles = TroubleLog(logger)
        var second = 0
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(1))
            second += 1
            if ledger.turn(to: CalendarMonth(unixSeconds: WallClock.seconds())) {
                logger.notice("another month begins: everybody may have their volume again")
            }
            if second.isMultiple(of: Self.interval), !Task.isCancelled { await save(troubles) }
        }
    }

    /// Keeps what has passed a last time; not from the task of ``run()``, for what is cancelled waits for no disk.
    func finish() async { await save(TroubleLog(logger)) }

    private func save(_ troubles: TroubleLog) async {
        let (month, usages) = ledger.takeChanges()
        guard !usages.isEmpty else { return }
        let kept = Dictionary(usages.map { (TrafficStore.Payer($0.payer), $0.byteCount) }) { $1 }
        do {
            try await Blocking.run { [store] in try store.save(kept, month: month.number) }
            troubles.end()
            logger.debug("what members have had in this month is kept")
        } catch {
            ledger.giveBack(usages)
            troubles.say(
                .error, "what members have had in this month cannot be kept",
                reason: ErrorWords.text(of: error))
        }
    }
}

extension TrafficPayer {
    fileprivate init(_ payer: TrafficStore.Payer) {
        switch payer {
        case .member(let key): self = .member(key)
        case .source(let source): self = .source(source)
        }
    }
}

extension TrafficStore.Payer {
    fileprivate init(_ payer: TrafficPayer) {
        switch payer {
        case .member(let key): self = .member(key)
        case .source(let source): self = .source(source)
        }
    }
}

extension TrafficSettings {
    /// What the settings let members and sources have.
    init(_ limits: Settings.Limits) {
        self.init()
        member.bytesPerSecond = limits.memberRate?.byteCount
        member.bytesPerMonth = limits.memberVolume?.byteCount
        source.bytesPerSecond = limits.sourceRate?.byteCount
        source.bytesPerMonth = limits.sourceVolume?.byteCount
    }
}
