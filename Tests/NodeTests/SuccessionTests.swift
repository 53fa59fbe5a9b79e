import Testing

@testable import Node

/// Without any connection: what happens goes in, and what is to be done comes out.
@Suite("Which of an endpoint's connections counts")
struct SuccessionTests {
    private typealias Orders = [Succession<Int>.Order]

    /// One connection that stands and is announced.
    private func stage() -> Succession<Int> {
        var succession = Succession<Int>()
        #expect(succession.start() == [.dial(after: .none)])
        #expect(succession.dialled(1, isCurrentSilent: false) == [] && succession.current == 1)
        #expect(succession.announced(1) == [])
        return succession
    }

    @Test("is the next one once it is announced, where the first is silent; that then ends with its tunnels")
    func silence() {
        var succession = stage()
        #expect(succession.wished(.silence, by: 1) == [.dial(after: .none)])
        #expect(succession.wished(.silence, by: 1) == [], "one at a time")
        #expect(succession.dialled(2, isCurrentSilent: true) == [] && succession.current == 1)
        #expect(succession.wished(.silence, by: 1) == [])
        #expect(succession.announced(2) == [.retire(1)] && succession.current == 2)
        #expect(succession.ended(1, .replaced, isCurrentSilent: false) == [], "nobody stays away for that")
        #expect(
            succession.ended(2, .replaced, isCurrentSilent: false) == [
                .away(.replaced), .dial(after: .conflict),
            ])
    }

    @Test("stays the first where that is heard again before the other stands")
    func heardAgain() {
        var succession = stage()
        _ = succession.wished(.silence, by: 1)
        #expect(succession.dialled(2, isCurrentSilent: false) == [.close(2)] && succession.current == 1)
        #expect(succession.ended(2, .lost(wasAnnounced: false), isCurrentSilent: false) == [])
        #expect(succession.wished(.silence, by: 1) == [.dial(after: .none)], "and another time anew")
        #expect(succession.dialFailed(isCurrentSilent: false) == [])
    }

    @Test("is looked for again and again while the first is silent")
    func failing() {
        var succession = stage()
        _ = succession.wished(.silence, by: 1)
        #expect(succession.dialFailed(isCurrentSilent: true) == [.dial(after: .backoff)])
        #expect(succession.dialled(2, isCurrentSilent: true) == [])
        let end = succession.ended(2, .lost(wasAnnounced: false), isCurrentSilent: true)
        #expect(end == [.dial(after: .backoff)] && succession.current == 1)
    }

    @Test(
        "is another one still where the next falls silent or has to go before it is announced",
        arguments: [
            SuccessorWish.silence, .move,
        ])
    func candidatesWish(_ wish: SuccessorWish) {
        var succession = stage()
        _ = succession.wished(.move, by: 1)
        #expect(succession.dialled(2, isCurrentSilent: false) == [])
        #expect(succession.wished(wish, by: 2) == [.close(2)] && succession.current == 1)
        let end = succession.ended(2, .lost(wasAnnounced: false), isCurrentSilent: false)
        #expect(end == [.dial(after: .backoff)], "the first one still has to go")
        #expect(succession.dialled(3, isCurrentSilent: false) == [])
        #expect(succession.announced(3) == [.retire(1)] && succession.current == 3)
    }

    @Test("is the first where the next falls silent, and the first is heard again")
    func candidatesSilence() {
        var succession = stage()
        _ = succession.wished(.silence, by: 1)
        #expect(succession.dialled(2, isCurrentSilent: true) == [])
        #expect(succession.wished(.silence, by: 2) == [.close(2)])
        #expect(succession.ended(2, .lost(wasAnnounced: false), isCurrentSilent: false) == [])
        #expect(succession.wished(.silence, by: 1) == [.dial(after: .none)], "and another time anew")
    }

    @Test("is another one later and later where each is asked to move as soon as it is announced")
    func moveAfterMove() {
        var succession = stage()
        for next in 2...4 {
            let orders = succession.wished(.move, by: next - 1, isSteady: false)
            #expect(orders == [.dial(after: .backoff)])
            #expect(succession.dialled(next, isCurrentSilent: false) == [])
            #expect(succession.announced(next).first == .retire(next - 1))
        }
        #expect(succession.wished(.silence, by: 4, isSteady: false) == [.dial(after: .none)])
    }

    @Test("goes where its machine asks it to, within a second, heard or not")
    func move() {
        var succession = stage()
        #expect(succession.wished(.move, by: 1) == [.dial(after: .spread)])
        #expect(succession.dialFailed(isCurrentSilent: false) == [.dial(after: .backoff)])
        #expect(succession.dialled(2, isCurrentSilent: false) == [])
        #expect(succession.announced(2) == [.retire(1)])
        #expect(succession.wished(.move, by: 1) == [], "once")
    }

    @Test("is dialled anew at once where the first ends meanwhile, and no other beside that")
    func lostMeanwhile() {
        var succession = stage()
        _ = succession.wished(.move, by: 1)
        let end = succession.ended(1, .replaced, isCurrentSilent: false)
        #expect(end == [.away(.lost(wasAnnounced: true))], "nobody stays away")
        #expect(succession.dialled(2, isCurrentSilent: false) == [] && succession.current == 2)
        #expect(succession.announced(2) == [])

        _ = succession.wished(.silence, by: 2)
        #expect(succession.dialled(3, isCurrentSilent: true) == [])
        #expect(succession.ended(2, .replaced, isCurrentSilent: false) == [] && succession.current == 3)
        #expect(succession.announced(3) == [])
        #expect(
            succession.ended(3, .lost(wasAnnounced: true), isCurrentSilent: false)
                == [.away(.lost(wasAnnounced: true)), .dial(after: .backoff)])
    }

    @Test("has two former ones beside it at most, whatever a portal asks for")
    func bound() {
        var succession = stage()
        for number in 2..<20 {
            #expect(succession.wished(.move, by: number - 1) == [.dial(after: .spread)])
            #expect(succession.dialled(number, isCurrentSilent: false) == [])
            let orders = succession.announced(number)
            let surplus: Orders = number > 3 ? [.close(number - 3)] : []
            #expect(orders == [.retire(number - 1)] + surplus)
        }
    }
}
