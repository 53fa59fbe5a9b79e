import Connection
import NIOCore
import Testing

@Suite("How far a connection has come")
struct ConnectionLifecycleTests {
    private let start = NIODeadline.uptimeNanoseconds(5_000_000_000)
    private typealias Lifecycle = ConnectionLifecycle<NIODeadline>

    @Test("is one step after another, each with its own time")
    func steps() {
        var lifecycle = Lifecycle.handshake(start + .seconds(10))
        #expect(lifecycle.deadline == start + .seconds(10) && lifecycle.phase == .running)
        #expect(!lifecycle.isOpen && !lifecycle.isLeaving)

        lifecycle.open(at: start)
        #expect(lifecycle.deadline == start + Liveness.askAfter && lifecycle.isOpen)

        lifecycle.close(until: start + .seconds(2))
        #expect(lifecycle.deadline == start + .seconds(2) && lifecycle.phase == .running)
        #expect(lifecycle.isLeaving && !lifecycle.isOver)

        lifecycle.finish(until: start + .seconds(4))
        #expect(lifecycle.deadline == start + .seconds(4) && lifecycle.phase == .finished)
        #expect(lifecycle.isOver)

        lifecycle.breakOff()
        #expect(lifecycle.deadline == nil && lifecycle.phase == .broken && lifecycle.isOver)
    }

    @Test("never goes back")
    func forward() {
        var lifecycle = Lifecycle.finished(until: nil)
        lifecycle.open(at: start)
        lifecycle.close(until: start)
        lifecycle.finish(until: start)
        #expect(lifecycle.deadline == nil && lifecycle.phase == .finished, "the first end counts")

        lifecycle.breakOff()
        lifecycle.finish(until: start)
        #expect(lifecycle.phase == .broken)

        lifecycle = .closing(until: start)
        lifecycle.close(until: start + .seconds(1))
        #expect(lifecycle.deadline == start)
    }

    @Test("asks about silence while it is open, and only then")
    func liveness() {
        let late = start + .seconds(30)
        var lifecycle = Lifecycle.handshake(start)
        #expect(lifecycle.livenessReached(late) == .wait)
        lifecycle.open(at: start)
        lifecycle.sent(at: start)
        #expect(lifecycle.isUnanswered)
        lifecycle.heard(at: start + .seconds(1))
        #expect(!lifecycle.isUnanswered)
        #expect(lifecycle.livenessReached(late) == .ask)
        lifecycle.close(until: late)
        #expect(lifecycle.livenessReached(late + .hours(1)) == .wait && !lifecycle.isUnanswered)
    }
}
