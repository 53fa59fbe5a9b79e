internal import TypedSodium

/// Where an endpoint's parts learn of each new ``EndpointView``, and note which of them their portals have been told.
package actor EndpointState {
    /// How long a redeemer waits for the endpoint's portals, all of them together.
    ///
    /// Source: protocol.md, section 5.
    static let announcingTime = Duration.seconds(3)

    private struct Waiter {
        let sequence: UInt64
        let continuation: CheckedContinuation<Void, Never>
    }

    package private(set) var view: EndpointView
    private var readers: [UInt64: AsyncStream<EndpointView>.Continuation] = [:]
    private var waiters: [UInt64: Waiter] = [:]
    private var lastNumber: UInt64 = 0
    /// The newest state of which each portal that is connected knows.
    private var announced: [PublicKey: UInt64] = [:]
    private var isClosed = false

    /// A state with a first view.
    package init(_ view: EndpointView) { self.view = view }

    // MARK: Views

    /// The present view, then each new one; who is slow misses those in between.
    func views() -> AsyncStream<EndpointView> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: EndpointView.self, bufferingPolicy: .bufferingNewest(1))
        lastNumber += 1
        let number = lastNumber
        readers[number] = continuation
        continuation.onTermination = { _ in Task { await self.forget(number) } }
        continuation.yield(view)
        // Who comes when the node stops already, as when it is stopped while it starts, is not to wait for ever.
        if isClosed { continuation.finish() }
        return stream
    }

    /// Puts up a new view; one that is older than the present one is late, and dropped.
    ///
    /// Redeemers are seen to side by side, so what one of them has read may arrive behind the next one's.
    ///
    /// - Returns: whether it was put up.
    @discardableResult
    package func publish(_ view: EndpointView) -> Bool {
        guard view.edition >= self.view.edition, view.sequence >= self.view.sequence else { return false }
        self.view = view
        for reader in readers.values { reader.yield(view) }
        return true
    }

    /// Puts up what `read` makes of the present view, unless that is `nil`; reads again what was late.
    ///
    /// It may have newer friends and older settings than what was put up meanwhile, or the other way round: dropped, it
    /// would be missing until the next change.
    package func update(_ read: @Sendable (EndpointView) async throws -> EndpointView?) async throws {
        while let next = try await read(view), !publish(next) {}
    }

    /// Ends every reader's stream, because the endpoint stops.
    func close() {
        isClosed = true
        for reader in readers.values { reader.finish() }
        readers = [:]
    }

    private func forget(_ number: UInt64) { readers[number] = nil }

    // MARK: Announcements

    /// A portal knows of the state with this number.
    func announced(_ sequence: UInt64, at portal: PublicKey) {
        announced[portal] = max(sequence, announced[portal] ?? 0)
        wakeWaiters()
    }

    /// Whether a portal knows of this endpoint, on the connection of this moment.
    func isAnnounced(at portal: PublicKey) -> Bool { announced[portal] != nil }

    /// The connection to a portal is over: nobody waits for it.
    func left(_ portal: PublicKey) {
        announced[portal] = nil
        wakeWaiters()
    }

    /// Waits until every portal that is connected knows of a state, at most ``announcingTime``.
    func waitUntilAnnounced(_ sequence: UInt64) async {
        guard !isAnnounced(sequence) else { return }
        lastNumber += 1
        let number = lastNumber
        let timer = Task {
            try await Task.sleep(for: Self.announcingTime)
            waiters.removeValue(forKey: number)?.continuation.resume()
        }
        await withCheckedContinuation { waiters[number] = Waiter(sequence: sequence, continuation: $0) }
        timer.cancel()
    }

    private func isAnnounced(_ sequence: UInt64) -> Bool { announced.values.allSatisfy { $0 >= sequence } }

    private func wakeWaiters() {
        for (number, waiter) in waiters where isAnnounced(waiter.sequence) {
            waiters[number] = nil
            waiter.continuation.resume()
        }
    }
}
