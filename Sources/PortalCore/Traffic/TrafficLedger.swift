package import NIOCore
internal import Synchronization
internal import TypedSodium

/// What every payer of a portal has had in this month, and may have.
///
/// The month and the clock are given by the owner, who also keeps the counts over a restart.
///
/// ### Invariants
/// - A payer has one meter, so its tunnels share what it may have, on whichever connections they are.
/// - There are ``sourceLimit`` sources at most: at the bound the half goes that has had least. A tunnel that stands goes on
///   with the meter that it has; its source's next tunnel begins with a new one.
package final class TrafficLedger: Sendable {
    /// How many sources are counted for.
    package static let sourceLimit = 16_384

    private struct Books {
        var settings: TrafficSettings
        var month: CalendarMonth
        var meters: [TrafficPayer: TrafficMeter] = [:]
        var sourceCount = 0
        /// What was kept last, to tell what has changed.
        var kept: [TrafficPayer: Int] = [:]
    }

    private let books: Mutex<Books>

    /// Nobody has had anything in this month.
    package init(_ settings: TrafficSettings, month: CalendarMonth) {
        books = Mutex(Books(settings: settings, month: month))
    }

    // MARK: The owner

    /// The month that is counted.
    package var month: CalendarMonth { books.withLock(\.month) }

    /// What each may have.
    package var settings: TrafficSettings { books.withLock(\.settings) }

    /// Has other limits count from now on, also for tunnels that stand; those of sources for which nothing was counted
    /// so far, for later ones.
    package func update(_ settings: TrafficSettings, at now: NIODeadline) {
        books.withLock { books in
            guard settings != books.settings else { return }
            books.settings = settings
            for (payer, meter) in books.meters { meter.follow(settings.limits(of: payer), at: now) }
        }
    }

    /// It is that month now; whether another one began, so that all may have their volume again.
    @discardableResult
    package func turn(to month: CalendarMonth) -> Bool {
        books.withLock { books in
            // A clock that is set back a little gives nobody a month anew.
            guard month > books.month else { return false }
            books.month = month
            for meter in books.meters.values { meter.beginMonth() }
            books.kept = [:]
            return true
        }
    }

    /// Goes on from what was kept of a month, before the first tunnel; of another month it is dropped.
    package func restore(_ usages: [TrafficUsage], of month: CalendarMonth, at now: NIODeadline) {
        books.withLock { books in
            guard month == books.month else { return }
            for usage in usages {
                let meter = meter(of: usage.payer, in: &books, at: now)
                meter?.count(usage.byteCount - (meter?.byteCount ?? 0), at: now)
                meter?.follow(books.settings.limits(of: usage.payer), at: now)
                books.kept[usage.payer] = usage.byteCount
            }
        }
    }

    /// What has changed since it was kept last, for the owner to keep.
    package func takeChanges() -> (month: CalendarMonth, usages: [TrafficUsage]) {
        books.withLock { books in
            var changed: [TrafficUsage] = []
            for (payer, meter) in books.meters where meter.byteCount != books.kept[payer, default: 0] {
                changed.append(TrafficUsage(payer: payer, byteCount: meter.byteCount))
            }
            for usage in changed { books.kept[usage.payer] = usage.byteCount }
            return (books.month, changed)
        }
    }

    /// What could not be kept is to be kept the next time.
    package func giveBack(_ usages: [TrafficUsage]) {
        books.withLock { books in
            for usage in usages { books.kept[usage.payer] = nil }
        }
    }

    /// What everybody has had, those that have had nothing left out.
    package var usages: [TrafficUsage] {
        books.withLock { books in
            books.meters.values.filter { $0.byteCount > 0 || $0.isUsedUp }.map { meter in
                var usage = TrafficUsage(payer: meter.payer, byteCount: meter.byteCount)
                usage.isUsedUp = meter.isUsedUp
                return usage
            }
        }
    }

    /// What a payer has had.
    package func usage(of payer: TrafficPayer) -> TrafficUsage {
        books.withLock { books in
            var usage = TrafficUsage(payer: payer, byteCount: books.meters[payer]?.byteCount ?? 0)
            usage.isUsedUp = usage.byteCount >= books.settings.limits(of: payer).bytesPerMonth ?? .max
            return usage
        }
    }

    // MARK: Tunnels

    /// For whom a tunnel is counted.
    ///
    /// - Throws: ``ConnectRefusal/volumeUsedUp(until:)``.
    func meters(
        caller: PublicKey, endpoint: PublicKey, from source: String, under policy: PortalPolicy,
        at now: NIODeadline
    ) throws(ConnectRefusal) -> TrafficMeters {
        try books.withLock { books throws(ConnectRefusal) in
            var payers: [TrafficPayer] = []
            if policy.standing(of: caller) == .member {
                payers = [.member(caller)]
            } else {
                if policy.standing(of: endpoint) == .member { payers.append(.member(endpoint)) }
                if books.settings.source != TrafficLimits() { payers.append(.source(source)) }
            }
            let meters = payers.compactMap { meter(of: $0, in: &books, at: now) }
            guard !meters.contains(where: \.isUsedUp) else {
                throw .volumeUsedUp(until: books.month.next.firstDay)
            }
            return TrafficMeters(meters)
        }
    }

    /// The one meter of a payer; `nil` for a source for which there is no room.
    private func meter(of payer: TrafficPayer, in books: inout Books, at now: NIODeadline) -> TrafficMeter? {
        if let meter = books.meters[payer] { return meter }
        if case .source = payer {
            if books.sourceCount >= Self.sourceLimit { Self.forgetSmallSources(in: &books) }
            guard books.sourceCount < Self.sourceLimit else { return nil }
            books.sourceCount += 1
        }
        let meter = TrafficMeter(of: payer)
        meter.follow(books.settings.limits(of: payer), at: now)
        books.meters[payer] = meter
        return meter
    }

    /// Forgets the half of the sources that has had least.
    private static func forgetSmallSources(in books: inout Books) {
        let sources = books.meters.values.filter { if case .source = $0.payer { true } else { false } }
        for meter in sources.sorted(by: { $0.byteCount < $1.byteCount }).prefix(sourceLimit / 2) {
            books.meters[meter.payer] = nil
            books.kept[meter.payer] = nil
            books.sourceCount -= 1
        }
    }
}
