internal import Foundation
internal import PeerSupport
internal import Synchronization
internal import TypedSodium

/// Which way the bytes go.
enum Direction: String, CaseIterable, Sendable {
    /// From the client to the endpoint.
    case up
    /// From the endpoint to the client.
    case down
    /// Both at once.
    case both

    /// Whether the client's end sends.
    var leavesClient: Bool { self != .down }
    /// Whether the endpoint's end sends.
    var leavesEndpoint: Bool { self != .up }
}

/// Several connections along one way that carry bytes as fast as they can until they are stopped.
final class Transfer: Sendable {
    private let ends: [TransferEnd]

    /// Connects, one after another so that both ends of each are known, and begins.
    ///
    /// `limitByteCount` makes each side send so many bytes, hash them and end, instead of going on until it
    /// is stopped.
    init(
        along way: Way, flowCount: Int, _ direction: Direction, limitByteCount: Int? = nil
    ) throws {
        var ends: [TransferEnd] = []
        for _ in 0..<flowCount {
            let client = try LoopbackSocket.dialling(way.entry)
            let endpoint = try way.service.accepted()
            ends.append(TransferEnd(client, sends: direction.leavesClient, limitByteCount))
            ends.append(TransferEnd(endpoint, sends: direction.leavesEndpoint, limitByteCount))
        }
        self.ends = ends
        for end in ends { end.start() }
    }

    /// What has arrived, at both ends of all connections, in bytes.
    var receivedByteCount: Int { ends.reduce(0) { $0 + $1.receivedByteCount } }

    /// Lets the senders end, and waits until the last byte has arrived.
    ///
    /// - Returns: whether as many bytes arrived as were sent and, if they were hashed, the same ones.
    /// - Throws: what ended a connection in the middle.
    func finish() throws -> Bool {
        for end in ends { end.stop() }
        for end in ends { try end.wait() }
        return stride(from: 0, to: ends.count, by: 2).allSatisfy { index in
            let (client, endpoint) = (ends[index], ends[index + 1])
            return client.sent == endpoint.received && endpoint.sent == client.received
        }
    }

    /// Ends everything in the middle.
    func cut() {
        for end in ends { end.cut() }
    }
}

/// One end of one connection: a thread that writes and a thread that reads.
private final class TransferEnd: Sendable {
    /// What went one way.
    struct Account: Equatable, Sendable {
        var byteCount = 0
        var hash: FixedBytes<32>?
    }

    /// As much as the programs under test read at a time.
    private static let pieceByteCount = 256 << 10
    private static let pattern = Random.bytes(pieceByteCount)

    private let socket: LoopbackSocket
    private let sends: Bool
    private let limitByteCount: Int?
    private let received_ = Atomic(0)
    private let isStopped = Atomic(false)
    private let accounts = Mutex((sent: Account(), received: Account(), error: (any Error)?.none))
    private let threads = DispatchGroup()

    init(_ socket: LoopbackSocket, sends: Bool, _ limitByteCount: Int?) {
        (self.socket, self.sends, self.limitByteCount) = (socket, sends, limitByteCount)
    }

    var receivedByteCount: Int { received_.load(ordering: .relaxed) }
    var sent: Account { accounts.withLock { $0.sent } }
    var received: Account { accounts.withLock { $0.received } }

    func start() {
        run { try self.write() }
        run { try self.read() }
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    func cut() {
        stop()
        socket.cut()
    }

    func wait() throws {
        threads.wait()
        if let error = accounts.withLock({ $0.error }) { throw error }
    }

    private func run(_ body: @escaping @Sendable () throws -> Void) {
        threads.enter()
        Thread.detachNewThread { [self] in
            defer { threads.leave() }
            do {
                try body()
            } catch {
                accounts.withLock { $0.error = error }
                socket.cut()
            }
        }
    }

    private func write() throws {
        guard sends else { return }
        var hash = GenericHash()
        var byteCount = 0
        while let piece = nextPiece(behind: byteCount) {
            let count = try socket.write(piece)
            if limitByteCount != nil { hash.update(Array(piece.prefix(count)).span) }
            byteCount += count
        }
        try socket.endWriting()
        let account = Account(byteCount: byteCount, hash: limitByteCount == nil ? nil : hash.finalize())
        accounts.withLock { $0.sent = account }
    }

    /// What is to be sent behind that many bytes.
    private func nextPiece(behind byteCount: Int) -> ArraySlice<UInt8>? {
        guard let limitByteCount else {
            return isStopped.load(ordering: .relaxed) ? nil : Self.pattern[...]
        }
        let rest = Self.pattern[(byteCount % Self.pieceByteCount)...].prefix(limitByteCount - byteCount)
        return rest.isEmpty ? nil : rest
    }

    private func read() throws {
        var hash = GenericHash()
        var buffer = [UInt8](repeating: 0, count: Self.pieceByteCount)
        while true {
            let count = try socket.read(into: &buffer)
            guard count > 0 else { break }
            if limitByteCount != nil { hash.update(buffer.span.extracting(first: count)) }
            received_.add(count, ordering: .relaxed)
        }
        // A side that sends ends its direction itself, when it is through.
        if !sends { try socket.endWriting() }
        let isHashed = limitByteCount != nil && receivedByteCount > 0
        let account = Account(byteCount: receivedByteCount, hash: isHashed ? hash.finalize() : nil)
        accounts.withLock { $0.received = account }
    }
}
