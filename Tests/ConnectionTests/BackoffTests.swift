import Connection
import NIOCore
import Testing
import Tunnel

@Suite("Waiting before a portal is dialled again")
struct BackoffTests {
    private let start = NIODeadline.uptimeNanoseconds(5_000_000_000)

    @Test("doubles from 1 s to 8 s, for five minutes, then to 60 s")
    func ceilings() {
        var backoff = Backoff()
        let early = (0..<6).map { backoff.failed(at: start + .seconds($0), fraction: 1) }
        #expect(early == [1, 2, 4, 8, 8, 8].map { TimeAmount.seconds($0) })
        #expect(backoff.failed(at: start + .seconds(299), fraction: 1) == .seconds(8))
        #expect(backoff.failed(at: start + .seconds(300), fraction: 1) == .seconds(60))
        for _ in 0..<100 {
            #expect(backoff.failed(at: start + .hours(10), fraction: 1) == .seconds(60))
        }
    }

    @Test("takes a fraction of that, down to nothing")
    func fractions() {
        var backoff = Backoff()
        #expect(backoff.failed(at: start, fraction: 0.25) == .milliseconds(250))
        #expect(backoff.failed(at: start, fraction: 0.5) == .seconds(1))
        #expect(backoff.failed(at: start, fraction: 0) == .zero)
    }

    @Test("starts again once a connection stood")
    func success() {
        var backoff = Backoff()
        for _ in 0..<9 { _ = backoff.failed(at: start, fraction: 1) }
        backoff.succeeded()
        #expect(backoff.failed(at: start + .hours(1), fraction: 1) == .seconds(1))
        #expect(backoff.failed(at: start + .hours(1), fraction: 1) == .seconds(2))
    }

    @Test("climbs on where failures are hours apart")
    func rareFailures() {
        var backoff = Backoff()
        let waits = (0..<8).map { backoff.failed(at: start + .hours($0), fraction: 1) }
        #expect(waits == [1, 2, 4, 8, 16, 32, 60, 60].map { TimeAmount.seconds($0) })
    }
}
