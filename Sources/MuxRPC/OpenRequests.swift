internal import NIOCore

/// The calls and streams that one side opened and that have not ended, by number.
struct OpenRequests: Sendable {
    /// What stands behind a number: a call that waits for its reply, or a stream.
    private var kinds: [Int32: CallKind] = [:]

    let limit: Int

    init(limit: Int) { self.limit = limit }

    var count: Int { kinds.count }
    var isFull: Bool { kinds.count >= limit }

    /// The open numbers and their kinds, in ascending order.
    var all: [(number: Int32, kind: CallKind)] {
        kinds.sorted { $0.key < $1.key }.map { (number: $0.key, kind: $0.value) }
    }

    func kind(of number: Int32) -> CallKind? { kinds[number] }

    func isStream(_ number: Int32) -> Bool { kinds[number]?.isStream ?? false }

    mutating func insert(_ number: Int32, _ kind: CallKind) { kinds[number] = kind }

    /// Frees a number; whether it was open.
    @discardableResult
    mutating func remove(_ number: Int32) -> Bool { kinds.removeValue(forKey: number) != nil }

    mutating func removeAll() { kinds.removeAll() }

    /// Does to an open stream what a packet of the peer says, and answers an end with an end, once.
    mutating func take(
        _ turn: StreamTurn, on stream: StreamID, outbox: inout Outbox
    ) -> RPCEvent? {
        let number = stream.openerNumber
        guard let kind = kinds[number] else { return nil }
        switch turn {
        case .carries(let type, let body):
            guard StreamTurn.mayCarry(kind, fromCaller: !stream.isOurs) else { return nil }
            return .data(stream, type, body)
        case .ends(let error):
            remove(number)
            outbox.writeEnd(stream)
            return .ended(stream, error)
        case .breaks(let message):
            remove(number)
            outbox.writeError(message, number: stream.sentNumber, isStream: true)
            return .ended(stream, RemoteError(message))
        case .isEmpty:
            return nil
        }
    }
}
