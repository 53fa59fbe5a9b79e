import NIOCore
import Testing
import Tunnel

/// One stream over a path with a delay and a rate, with a clock of its own.
@Suite("Credit over a path")
struct CreditPathTests {
    private struct Path {
        /// There and back, with nothing under way.
        let roundTrip: TimeAmount
        let bytesPerSecond: Double

        private var sender = SendCredit()
        private var receiver = ReceiveCredit()
        private var now = NIODeadline.uptimeNanoseconds(0)
        private var packets: [(at: NIODeadline, byteCount: Int)] = []
        private var grants: [(at: NIODeadline, byteCount: Int)] = []
        /// When the path takes the next byte.
        private var freeAt = NIODeadline.uptimeNanoseconds(0)
        private(set) var receivedByteCount = 0

        init(roundTrip: TimeAmount, bytesPerSecond: Double) {
            self.roundTrip = roundTrip
            self.bytesPerSecond = bytesPerSecond
        }

        /// What may be under way at once.
        var window: Int { sender.available + sender.unreturned }

        /// Sends as much as may be, until the time; a packet for which `isLate` is true comes a round trip late.
        mutating func run(until end: NIODeadline, isLate: (Int) -> Bool = { _ in false }) throws {
            var count = 0
            while now < end {
                while sender.available > 0 {
                    let byteCount = min(16_384, sender.available)
                    sender.spend(byteCount)
                    freeAt = max(freeAt, now) + .nanoseconds(Int64(Double(byteCount) / bytesPerSecond * 1e9))
                    count += 1
                    if isLate(count) { freeAt = freeAt + roundTrip }
                    packets.append((freeAt + .nanoseconds(roundTrip.nanoseconds / 2), byteCount))
                }
                now = min(packets.first?.at ?? .distantFuture, grants.first?.at ?? .distantFuture)
                while let grant = grants.first, grant.at <= now {
                    grants.removeFirst()
                    try sender.add(grant.byteCount)
                }
                while let packet = packets.first, packet.at <= now {
                    packets.removeFirst()
                    receivedByteCount += packet.byteCount
                    try receiver.receive(packet.byteCount, at: now)
                    for grant in receiver.drain(packet.byteCount) {
                        grants.append((now + .nanoseconds(roundTrip.nanoseconds / 2), grant))
                    }
                }
            }
        }
    }

    private static let second = NIODeadline.uptimeNanoseconds(1_000_000_000)

    @Test("grows until a long path is full, within a dozen round trips", arguments: [20, 50, 100])
    func longPath(milliseconds: Int64) throws {
        var path = Path(roundTrip: .milliseconds(milliseconds), bytesPerSecond: 4_194_304 / 0.1)
        try path.run(until: .uptimeNanoseconds(0) + .milliseconds(12 * milliseconds))
        #expect(Double(path.window) >= path.bytesPerSecond * Double(milliseconds) / 1000)
    }

    @Test("grows as well where now and then a packet is lost")
    func lossyPath() throws {
        var path = Path(roundTrip: .milliseconds(50), bytesPerSecond: 100e6)
        try path.run(until: Self.second + .seconds(1)) { $0.isMultiple(of: 100) }
        #expect(path.window == 4_194_304)
    }

    @Test("does not grow far beyond what a short path holds, so that little waits on it")
    func shortPath() throws {
        var path = Path(roundTrip: .microseconds(200), bytesPerSecond: 200e6)
        try path.run(until: Self.second)
        #expect(path.window <= 524_288)
        #expect(Double(path.receivedByteCount) > 0.99 * path.bytesPerSecond)
        var slow = Path(roundTrip: .milliseconds(20), bytesPerSecond: 2e6)
        try slow.run(until: Self.second + .seconds(4))
        #expect(slow.window <= 524_288)
    }
}
