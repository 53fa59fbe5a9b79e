internal import Account
internal import NIOCore
internal import Synchronization

/// What one stream holds, or one session beside its streams: memory, and places where it takes some.
final class Holding: Sendable {
    /// In which session, on which connection.
    let place: SessionPlace
    /// The stream; `nil` for what a session holds beside its streams.
    let stream: StreamKey?
    /// Who pays, of all sessions: what is one's own never gives way to a place for another of one's own.
    let owner: Account
    let memory: Account
    private let streams, sockets: Account?
    private let held: Charge
    private let places: [Charge]
    private let usedAt: Atomic<UInt64>

    init(
        in place: SessionPlace, of stream: StreamKey?, paidBy payer: Payer, at memory: Account, held: Charge,
        streamPlace: Charge? = nil, socket: Charge? = nil, now: NIODeadline
    ) {
        self.place = place
        self.stream = stream
        owner = payer.owner.bytes
        self.memory = memory
        streams = streamPlace == nil ? nil : payer.streams
        sockets = socket == nil ? nil : payer.descriptors
        self.held = held
        places = [streamPlace, socket].compactMap(\.self)
        usedAt = Atomic(now.uptimeNanoseconds)
    }

    /// For how many bytes of memory is paid.
    var byteCount: Int { held.count }

    /// When it was last used.
    var lastUse: UInt64 { usedAt.load(ordering: .relaxed) }

    func used(at now: NIODeadline) { usedAt.store(now.uptimeNanoseconds, ordering: .relaxed) }

    /// Pays for so many bytes; whether there is room, and what was paid for before stays where not.
    func pay(for byteCount: Int) -> Bool { held.count == byteCount || held.change(to: byteCount) }

    /// Pays for so many bytes, others having given way.
    func overdraw(to byteCount: Int) { held.overdraw(to: byteCount) }

    /// The account that pays for one of the resources, where it takes some.
    func account(for resource: ScarceResource) -> Account? {
        switch resource {
        case .memory: memory
        case .streams: streams
        case .sockets: sockets
        }
    }
}
