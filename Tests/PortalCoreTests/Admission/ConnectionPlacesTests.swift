@testable import PortalCore
import NIOCore
import Testing
import TypedSodium

@Suite("Places for connections")
final class ConnectionPlacesTests {
    private var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private var lastNumber = 0
    private var places: ConnectionPlaces

    init() { places = ConnectionPlaces(count: 80, ceilings: .init(), at: now) }

    private func source(_ text: String) throws -> SourceAddress {
        SourceAddress(try SocketAddress(ipAddress: text, port: 1))
    }

    private func open(
        _ address: String, isIdle: @escaping (Int) -> Bool = { _ in false }
    ) throws -> ConnectionPlaces.Admission {
        lastNumber += 1
        return places.open(lastNumber, from: try source(address), at: now, isIdle: isIdle)
    }

    /// How many connections of a source are let in, of so many.
    private func flood(_ address: String, _ count: Int = 100) -> Int {
        (0..<count).count { _ in (try? open(address))?.refusal == .some(nil) }
    }

    @Test("are anybody's while there are some, and the last eighth is for newcomers")
    func shares() throws {
        // 80 without an eighth for members and one for trials is 60, of which an eighth is kept.
        #expect(flood("192.0.2.1") == 53)
        #expect(try open("192.0.2.1").refusal == .tooManyConnections)
        #expect(flood("192.0.2.2", 7) == 7)
    }

    @Test("change hands: the newest idle connection of the largest source goes")
    func givingWay() throws {
        let count = flood("192.0.2.1")
        #expect(flood("192.0.2.2", 7) == 7)
        // Of the first source the last but one does nothing, of the second all.
        let isIdle = { (number: Int) in number == count - 1 || number > count }
        #expect(try open("192.0.2.3", isIdle: isIdle).leaving == count - 1)
        // A source that has as much as others takes from nobody.
        #expect(try open("192.0.2.3", isIdle: isIdle).refusal == nil)
        while try open("192.0.2.2", isIdle: { $0 <= count }).refusal == nil {}
        let equal = try open("192.0.2.2", isIdle: { $0 > count })
        #expect(equal == ConnectionPlaces.Admission(refusal: .tooManyConnections))
        // Nobody is idle.
        #expect(try open("192.0.2.4").refusal == .tooManyConnections)
    }

    @Test("come back with the connection, once")
    func closing() throws {
        let count = flood("192.0.2.1")
        places.close(1, at: now)
        places.close(1, at: now)
        #expect(flood("192.0.2.1") == 1)
        for number in 1...lastNumber { places.close(number, at: now) }
        #expect(places.count == 0)
        #expect(flood("192.0.2.1") == count)
    }

    @Test("are shared by the networks of IPv6, and in a network by its parts")
    func networks() throws {
        let count = (1...100).count { (try? open("2001:db8:1:\($0)::1"))?.refusal == .some(nil) }
        // One of each is fair within the network, whose share all the same is no more than of one address.
        #expect((47...53).contains(count))
        #expect(flood("192.0.2.1", 7) == 7)
        _ = flood("192.0.2.3", 60 - 7 - count)
        let leaving = try open("192.0.2.2") { _ in true }.leaving
        #expect(leaving.map { $0 <= count } == true)
    }

    @Test("of members are a part that nobody else can take, a share for each")
    func members() throws {
        _ = flood("192.0.2.1")
        let (first, second) = (try Identity.random().publicKey, try Identity.random().publicKey)
        let opened = (1...20).count { places.open(1000 + $0, as: first) }
        #expect((8...10).contains(opened))
        let isOpened = places.open(2000, as: second)
        #expect(isOpened)
        for number in 1001...1020 { places.close(number, at: now) }
        #expect((1...20).count { places.open(3000 + $0, as: second) } >= opened - 1)
    }

    @Test("follow other ceilings for sources that have connections already")
    func changedCeilings() throws {
        #expect(flood("192.0.2.1", 5) == 5)
        places.update(.init(connectionsPerSource: 6, handshakesPerSecond: 1), at: now)
        #expect(try open("192.0.2.1").refusal == nil)
        #expect(try open("192.0.2.1").refusal == .tooManyHandshakes)
        now = now + .seconds(1)
        #expect(try open("192.0.2.1").refusal == .tooManyConnections)
        places.update(.init(), at: now)
        #expect(flood("192.0.2.1", 5) == 5)
    }

    @Test("are limited by the owner's ceilings, where there are any")
    func ceilings() throws {
        places = ConnectionPlaces(
            count: 80, ceilings: .init(connectionsPerSource: 3, handshakesPerSecond: 5), at: now)
        #expect(flood("192.0.2.1", 4) == 3)
        #expect(try open("192.0.2.1").refusal == .tooManyConnections)
        #expect(try open("192.0.2.1").refusal == .tooManyHandshakes)
        for number in 1...3 { places.close(number, at: now) }
        #expect(try open("192.0.2.1").refusal == .tooManyHandshakes)
        now = now + .milliseconds(400)
        #expect(flood("192.0.2.1", 4) == 2)
        #expect(flood("192.0.2.2", 4) == 3)
    }

    @Test("of a process with few descriptors are few", arguments: [1, 2, 3, 8])
    func few(count: Int) throws {
        places = ConnectionPlaces(count: count, ceilings: .init(), at: now)
        #expect(flood("192.0.2.1") >= 1)
        let isOpened = places.open(1000, as: try Identity.random().publicKey)
        #expect(isOpened)
    }
}
