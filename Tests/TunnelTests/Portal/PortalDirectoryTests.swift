import Multiserver
import Sodium
import TestSupport
import Testing
import Tunnel

@Suite("A portal's directory")
struct PortalDirectoryTests {
    private var random = SeededRandom(seed: 1)
    private var directory = PortalDirectory()

    private mutating func someone() throws -> PublicKey {
        PublicKey(try FixedBytes(random.bytes(32).span))
    }

    private let first = ConnectionID(1)
    private let second = ConnectionID(2)
    private let third = ConnectionID(3)

    @Test("finds who has announced itself, until it leaves")
    mutating func announceAndLeave() throws {
        let peer = try someone()
        #expect(directory.connections(of: .id(peer)).first == nil)
        #expect(directory.announce(peer, on: first, .explicit).isDone)
        #expect(directory.connections(of: .id(peer)).first == first)
        let again = directory.announce(peer, on: first, .explicit)
        #expect(again.isDone && again.replaced == nil && again.awakened.isEmpty)
        #expect(directory.attendance.ids == [peer.id])
        #expect(!directory.leave(peer, on: second).isDone)
        #expect(directory.leave(peer, on: first).isDone)
        #expect(!directory.leave(peer, on: first).isDone)
        #expect(directory.connections(of: .id(peer)).first == nil && directory.attendance.ids.isEmpty)
    }

    struct Succession: Sendable {
        let old: PortalDirectory.Manner
        let new: PortalDirectory.Manner
        let newWins: Bool
    }

    @Test(
        "lets the newest announcement win, but no subscription over an explicit one",
        arguments: [
            Succession(old: .explicit, new: .explicit, newWins: true),
            Succession(old: .subscription, new: .explicit, newWins: true),
            Succession(old: .subscription, new: .subscription, newWins: true),
            Succession(old: .explicit, new: .subscription, newWins: false),
        ])
    mutating func succession(_ case: Succession) throws {
        let peer = try someone()
        _ = directory.announce(peer, on: first, `case`.old)
        let version = directory.attendance.version
        let outcome = directory.announce(peer, on: second, `case`.new)
        #expect(outcome.isDone == `case`.newWins)
        // Who has asked for no more than the list is ended; who has announced is told, and stays.
        #expect(outcome.replaced == (`case`.newWins && `case`.old == .subscription ? first : nil))
        #expect(outcome.overtaken == (`case`.newWins && `case`.old == .explicit ? first : nil))
        #expect(directory.connections(of: .id(peer)).first == (`case`.newWins ? second : first))
        #expect(directory.attendance.version == version, "the same peer is there")
    }

    @Test("makes an announcement explicit, but never less")
    mutating func manners() throws {
        let peer = try someone()
        _ = directory.announce(peer, on: first, .subscription)
        _ = directory.announce(peer, on: first, .explicit)
        _ = directory.announce(peer, on: first, .subscription)
        #expect(!directory.announce(peer, on: second, .subscription).isDone)
        #expect(directory.connections(of: .id(peer)).first == first)
    }

    @Test("keeps the newer announcement when the older connection closes late")
    mutating func staleClose() throws {
        let peer = try someone()
        _ = directory.announce(peer, on: first, .explicit)
        _ = directory.announce(peer, on: second, .explicit)
        #expect(!directory.connectionClosed(first, of: peer).isDone)
        #expect(directory.connections(of: .id(peer)).first == second)
        #expect(directory.connectionClosed(second, of: peer).isDone)
        #expect(directory.connections(of: .id(peer)).first == nil)
        #expect(!directory.connectionClosed(third, of: nil).isDone)
    }

    @Test(
        "finds an earlier announcement again when the newer connection is gone, and none that was taken back")
    mutating func earlier() throws {
        let peer = try someone()
        for connection in [first, second, third] { _ = directory.announce(peer, on: connection, .explicit) }
        let version = directory.attendance.version
        #expect(directory.connections(of: .id(peer)) == [third])
        #expect(!directory.leave(peer, on: second).isDone, "it is not the one that counts")
        #expect(directory.connectionClosed(third, of: peer).awakened.isEmpty)
        #expect(directory.connections(of: .id(peer)) == [first] && directory.isAnnounced(peer, on: first))
        #expect(directory.attendance.version == version, "the same peer is there")
        _ = directory.announce(peer, on: second, .explicit)
        _ = directory.announce(peer, on: first, .explicit)
        #expect(directory.connections(of: .id(peer)) == [first])
        #expect(directory.leave(peer, on: first).hasChanged)
        #expect(directory.connections(of: .id(peer)).isEmpty && directory.attendance.ids.isEmpty)
        #expect(!directory.connectionClosed(second, of: peer).isDone)
    }

    @Test("keeps eight connections that announce an identity, and ends the oldest beyond")
    mutating func tooManyEarlier() throws {
        let peer = try someone()
        for number in 1...8 {
            #expect(directory.announce(peer, on: ConnectionID(UInt64(number)), .explicit).replaced == nil)
        }
        #expect(directory.announce(peer, on: ConnectionID(9), .explicit).replaced == first)
        for number in (2...9).reversed() {
            let connection = ConnectionID(UInt64(number))
            #expect(directory.connections(of: .id(peer)) == [connection])
            _ = directory.connectionClosed(connection, of: peer)
        }
        #expect(directory.connections(of: .id(peer)).isEmpty)
    }

    @Test("awakens a subscriber once, and tells it what it has missed")
    mutating func changes() throws {
        let (early, late, later) = (try someone(), try someone(), try someone())
        _ = directory.announce(early, on: first, .explicit)
        #expect(directory.update(for: second, since: nil) == .state([early.id]))
        let version = directory.attendance.version
        #expect(directory.update(for: second, since: version) == .changes([]))

        #expect(directory.announce(late, on: third, .explicit).awakened == [second])
        #expect(directory.announce(later, on: first, .explicit).awakened.isEmpty, "it is awake")
        #expect(directory.leave(late, on: third).awakened.isEmpty)
        #expect(
            directory.update(for: second, since: version)
                == .changes([.joined(late.id), .joined(later.id), .left(late.id)]))
        #expect(directory.connectionClosed(first, of: later).awakened == [second])
    }

    @Test("awakens nobody who has gone")
    mutating func closedSubscriber() throws {
        _ = directory.update(for: first, since: nil)
        _ = directory.connectionClosed(first, of: nil)
        #expect(directory.announce(try someone(), on: second, .explicit).awakened.isEmpty)
    }

    @Test("gives the list anew to who has missed more than it remembers")
    mutating func laggard() throws {
        let (stays, comesAndGoes) = (try someone(), try someone())
        _ = directory.announce(stays, on: first, .explicit)
        let version = directory.attendance.version
        for _ in 0..<Attendance.changeLimit / 2 {
            _ = directory.announce(comesAndGoes, on: second, .explicit)
            _ = directory.leave(comesAndGoes, on: second)
        }
        guard case .changes(let changes) = directory.update(for: third, since: version) else {
            Issue.record("the changes are remembered")
            return
        }
        #expect(changes.count == Attendance.changeLimit)
        _ = directory.announce(comesAndGoes, on: second, .explicit)
        #expect(
            directory.update(for: third, since: version)
                == .state([stays.id, comesAndGoes.id].sorted()))
    }

    @Test("keeps the list sorted, whatever comes and goes", arguments: 0..<20 as Range<UInt64>)
    mutating func sorted(seed: UInt64) throws {
        random = SeededRandom(seed: seed)
        var peers: [PublicKey] = []
        for _ in 0..<50 { peers.append(try someone()) }
        var present: Set<String> = []
        for _ in 0..<300 {
            let index = Int.random(in: 0..<50, using: &random)
            let (peer, connection) = (peers[index], ConnectionID(UInt64(index)))
            if present.remove(peer.id) != nil {
                _ = directory.leave(peer, on: connection)
            } else {
                present.insert(peer.id)
                _ = directory.announce(peer, on: connection, .subscription)
            }
            #expect(directory.attendance.ids == present.sorted())
        }
    }
}
