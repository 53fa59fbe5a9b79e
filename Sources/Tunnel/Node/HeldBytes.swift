/// What waits for local ends that have not taken it, over all sessions of one connection.
final class HeldBytes {
    private let limit: Int
    private(set) var byteCount = 0

    init(limit: Int) { self.limit = limit }

    var isExceeded: Bool { byteCount > limit }

    func change(by byteCount: Int) { self.byteCount += byteCount }
}
