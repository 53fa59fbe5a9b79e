@testable import PortalCore
import NIOCore
import Testing

@Suite("Turns of handshakes")
final class HandshakeTurnsTests {
    private var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private var turns: HandshakeTurns<String>

    init() { turns = HandshakeTurns(at: now) }

    private func source(_ text: String) throws -> SourceAddress {
        SourceAddress(try SocketAddress(ipAddress: text, port: 1))
    }

    /// Whose turns come until a moment, each taking so long.
    private func run(until end: NIODeadline, step: TimeAmount) -> [String] {
        var order: [String] = []
        while let next = turns.nextTurn, next <= end {
            now = max(now, next)
            while let waiter = turns.next(at: now) {
                order.append(waiter)
                now = now + step
                turns.took(step, until: now)
            }
        }
        return order
    }

    @Test("take a quarter of the time, whatever waits")
    func share() throws {
        for _ in 0..<10_000 { _ = turns.append("a", from: try source("192.0.2.1")) }
        let count = run(until: now + .seconds(2), step: .microseconds(250)).count
        // 4 ms at once, and then 250 ms of each second.
        #expect((1990...2025).contains(count))
    }

    @Test("come at once where nobody waits")
    func quiet() throws {
        #expect(try turns.nextTurn == nil && turns.wait(of: source("192.0.2.1")) < .milliseconds(1))
        _ = turns.append("a", from: try source("192.0.2.1"))
        #expect(turns.nextTurn.map { $0 <= now } == true)
        #expect(turns.next(at: now) == "a")
    }

    @Test("go round: a newcomer waits for one of each source, not for all of one")
    func rounds() throws {
        for _ in 0..<1000 { _ = turns.append("flood", from: try source("192.0.2.1")) }
        for part in 1...1000 { _ = turns.append("flood", from: try source("2001:db8:1:\(part)::1")) }
        #expect(try turns.wait(of: source("192.0.2.2")) < .milliseconds(5))
        _ = turns.append("newcomer", from: try source("192.0.2.2"))
        let order = run(until: now + .milliseconds(20), step: .microseconds(250))
        #expect(order.firstIndex(of: "newcomer").map { $0 < 3 } == true)
    }

    @Test("are refused beforehand to who would wait too long")
    func patience() throws {
        var count = 0
        while try turns.wait(of: source("192.0.2.1")) < HandshakeTurns<String>.patience, count < 100_000 {
            _ = turns.append("a", from: try source("192.0.2.1"))
            count += 1
        }
        #expect((4000...6000).contains(count))
        #expect(try turns.wait(of: source("192.0.2.2")) < .seconds(1))
    }
}
