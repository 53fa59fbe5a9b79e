import Node
import Testing
import Transport
import Tunnel
import TypedSodium

@Suite("Events between a connection's loop and its owner", .timeLimit(.minutes(1)))
struct LinkEventsTests {
    /// The owner is busy while a peer is turned away as fast as it comes.
    @Test("what is for the log is left out beyond a number, and counted; the rest arrives in its place")
    func bounded() async throws {
        let events = LinkEvents()
        let peer = try Identity.random().publicKey
        for _ in 0..<10_000 { events.post(.event(.turnedAway(peer))) }
        events.post(.announced)
        for _ in 0..<10 { events.post(.event(.refused(peer))) }
        events.finish()
        var (lines, others, leftOut) = (0, 0, 0)
        await events.forEach { event, leftOutCount in
            leftOut += leftOutCount
            switch event {
            case .event(.turnedAway): lines += 1
            case .announced:
                others += 1
                #expect(lines == LinkEvents.logLimit)
            default: Issue.record("another event")
            }
        }
        #expect(lines == LinkEvents.logLimit && others == 1 && leftOut == 10_010 - LinkEvents.logLimit)
    }

    @Test("what was taken makes room again")
    func makesRoom() async throws {
        let events = LinkEvents()
        let peer = try Identity.random().publicKey
        for _ in 0..<LinkEvents.logLimit { events.post(.event(.accepted(peer))) }
        var count = 0
        await events.forEach { _, leftOutCount in
            #expect(leftOutCount == 0)
            count += 1
            if count <= 100 { events.post(.event(.accepted(peer))) }
            if count == LinkEvents.logLimit { events.finish() }
        }
        #expect(count == LinkEvents.logLimit + 100)
    }
}
