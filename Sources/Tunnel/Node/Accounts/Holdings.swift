internal import Account
internal import NIOCore
internal import Synchronization

/// What the sessions and streams of an endpoint hold, over all its connections: where something is short, and there is
/// no room for one who has less, the largest gives way.
///
/// Of memory the largest holder's stream goes, if that holds more than who asks would; so one's own goes where one holds
/// most. Of places the longest unused stream of the largest account goes, if that holds twice as much as who asks would,
/// and never for another stream of the same key.
///
/// What has been told to go is as good as free: who asks meanwhile has it, and is charged beyond the limit until then.
final class Holdings: Sendable {
    /// Whether there is room.
    enum Room {
        /// There is by now.
        case free
        /// Once these have gone, who are to be told: what is needed may be charged whatever the limits.
        case after([Displaced])
        /// No: nobody holds so much more.
        case none
    }

    private let books = Mutex(HoldingBooks())

    /// How many streams there are, and sessions.
    var count: Int { books.withLock { $0.holdings.count } }

    // MARK: Opening

    /// What a session holds beside its streams, at one of its accounts; nothing yet.
    ///
    /// One whose peer has not proved who it is does not give way: its place among the handshakes does.
    func openSession(
        _ place: SessionPlace, paidBy payer: Payer, at memory: Account, givesWay: Bool
    ) -> OpenHolding {
        let holding = Holding(
            in: place, of: nil, paidBy: payer, at: memory, held: memory.overdraw(0),
            now: .uptimeNanoseconds(0))
        guard givesWay else { return OpenHolding(holding, number: nil, in: self) }
        return books.withLock { books in
            OpenHolding(holding, number: books.insert(holding), in: self)
        }
    }

    /// What a stream holds, its own cost at first: with places where a peer has opened it; and who gives way for it.
    func openStream(
        _ stream: StreamKey, on connection: ConnectionNumber, paidBy payer: Payer,
        takes resources: [ScarceResource], at now: NIODeadline
    ) throws(ScarceResource) -> (holding: OpenHolding, displaced: [Displaced]) {
        try books.withLock { books throws(ScarceResource) in
            var chosen: [UInt64: ScarceResource] = [:]
            func take(_ resource: ScarceResource, _ count: Int) throws(ScarceResource) -> Charge {
                let account = payer.account(for: resource)
                if let charge = account.charge(count) { return charge }
                let asking = HoldingBooks.Asking(
                    owner: payer.owner.bytes, account: account, holding: nil, isSession: false)
                guard let more = books.choose(count, of: resource, for: asking, beside: chosen) else {
                    throw resource
                }
                for number in more { chosen[number] = resource }
                return account.overdraw(count)
            }
            let place = resources.contains(.streams) ? try take(.streams, 1) : nil
            let socket = resources.contains(.sockets) ? try take(.sockets, 1) : nil
            let held = try take(.memory, ServicePlace.ownByteCount)
            let holding = Holding(
                in: SessionPlace(connection: connection, session: stream.session), of: stream,
                paidBy: payer, at: payer.bytes, held: held, streamPlace: place, socket: socket, now: now)
            let displaced = books.displace(chosen, for: ServicePlace.ownByteCount)
            return (OpenHolding(holding, number: books.insert(holding), in: self), displaced)
        }
    }

    fileprivate func close(_ number: UInt64) {
        // What it holds is released behind the lock.
        _ = books.withLock { $0.remove(number) }
    }

    // MARK: Making room

    /// Makes room for more memory of a holding, which has asked its account in vain.
    fileprivate func makeRoom(for byteCount: Int, of holding: Holding, number: UInt64?) -> Room {
        let asking = HoldingBooks.Asking(
            owner: holding.owner, account: holding.memory, holding: number, isSession: holding.stream == nil)
        return makeRoom(for: byteCount, asking)
    }

    private func makeRoom(for byteCount: Int, _ asking: HoldingBooks.Asking) -> Room {
        books.withLock { books in
            guard let contention = asking.account.contention(for: byteCount) else { return .free }
            if books.takePromised(byteCount, within: contention) { return .after([]) }
            guard let chosen = books.choose(byteCount, of: .memory, for: asking, beside: [:]) else {
                return .none
            }
            let numbers = chosen.map { ($0, ScarceResource.memory) }
            return .after(books.displace(Dictionary(uniqueKeysWithValues: numbers), for: byteCount))
        }
    }
}

/// A holding for as long as what it stands for is held.
final class OpenHolding: Sendable {
    let holding: Holding
    private let number: UInt64?
    private let all: Holdings

    fileprivate init(_ holding: Holding, number: UInt64?, in all: Holdings) {
        self.holding = holding
        self.number = number
        self.all = all
    }

    deinit { if let number { all.close(number) } }

    /// Makes room for it to cost so many bytes, which it could not pay for.
    func makeRoom(for byteCount: Int) -> Holdings.Room {
        all.makeRoom(for: byteCount - holding.byteCount, of: holding, number: number)
    }
}
