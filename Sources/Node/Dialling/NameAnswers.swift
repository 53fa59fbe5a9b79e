package import Multiserver
package import NIOCore
internal import NIOPosix
internal import Synchronization
internal import Transport
package import Tunnel

/// Where names lead that one author has given, as the system says, or as it has said the last time where it takes long.
///
/// A name server that does not answer costs a dial no more than ``time``, and the system no more than ``underWayLimit``
/// questions: a name that is asked for already is not asked for again.
package final class NameAnswers: Sendable {
    /// Finds the addresses of a host and port; none where it cannot.
    package typealias LookUp = @Sendable (NetAddress, AddressAuthor) async -> [SocketAddress]

    /// How many names are asked for at a time.
    static var underWayLimit: Int { 16 }
    /// Of how many names the last answer is kept.
    static var keptLimit: Int { 64 }

    private struct State {
        var underWay: [NetAddress: Task<[SocketAddress], Never>] = [:]
        /// The last answers, the latest at the end.
        var kept: [(net: NetAddress, addresses: [SocketAddress])] = []

        mutating func keep(_ addresses: [SocketAddress], of net: NetAddress) {
            guard !addresses.isEmpty else { return }
            kept.removeAll { $0.net == net }
            if kept.count >= NameAnswers.keptLimit { kept.removeFirst() }
            kept.append((net, addresses))
        }
    }

    private let author: AddressAuthor
    private let time: Duration
    private let lookUp: LookUp
    private let state = Mutex(State())

    /// No name was asked for yet.
    init(of author: AddressAuthor, time: Duration, _ lookUp: @escaping LookUp) {
        (self.author, self.time, self.lookUp) = (author, time, lookUp)
    }

    /// The addresses of a name; none where the system knows none, or has never said any and takes longer than a dial waits.
    func addresses(of net: NetAddress) async -> [SocketAddress] {
        guard let asking = state.withLock({ asking(for: net, &$0) }) else { return last(net) }
        let (answers, continuation) = AsyncStream.makeStream(of: [SocketAddress]?.self)
        Task { continuation.yield(await asking.value) }
        let timer = Task { [time] in
            try await Task.sleep(for: time)
            continuation.yield(nil)
        }
        defer { timer.cancel() }
        for await case let addresses? in answers.prefix(1) { return addresses }
        return last(net)
    }

    private func last(_ net: NetAddress) -> [SocketAddress] {
        state.withLock { $0.kept.first { $0.net == net }?.addresses ?? [] }
    }

    /// The question that is under way, or a fresh one; `nil` where there are too many.
    private func asking(for net: NetAddress, _ state: inout State) -> Task<[SocketAddress], Never>? {
        if let asking = state.underWay[net] { return asking }
        guard state.underWay.count < Self.underWayLimit else { return nil }
        let asking = Task {
            let addresses = await lookUp(net, author)
            self.state.withLock { state in
                state.underWay[net] = nil
                state.keep(addresses, of: net)
            }
            return addresses
        }
        state.underWay[net] = asking
        return asking
    }

    // MARK: The system

    /// Two threads for each author, since the system may ask the network for as long as it likes.
    private static let (ownersThreads, othersThreads) = (threads(), threads())

    private static func threads() -> NIOThreadPool {
        let pool = NIOThreadPool(numberOfThreads: 2)
        pool.start()
        return pool
    }

    /// Asks the system.
    package static let askSystem: LookUp = { net, author in
        let threads = author == .owner ? ownersThreads : othersThreads
        let found = try? await threads.runIfActive { NameLookUp.addresses(of: net.host, port: net.port) }
        return found ?? []
    }
}
