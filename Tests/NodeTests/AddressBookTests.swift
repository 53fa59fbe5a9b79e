import Multiserver
import NIOCore
import SecretHandshake
import Synchronization
import Testing
import Tunnel
import TypedSodium

@testable import Node

/// With a name server that answers when the test says so, and dials that wait for it no longer than it takes to ask.
@Suite("The addresses of names", .timeLimit(.minutes(1)))
struct AddressBookTests {
    /// Answers with one address, each question when it is told to.
    private final class NameServer: Sendable {
        private struct State {
            var isSlow = true
            var waiting: [CheckedContinuation<Void, Never>] = []
            var asked: [String] = []
        }

        private let state = Mutex(State())

        var asked: [String] { state.withLock(\.asked) }

        func answer(_ net: NetAddress) async -> [SocketAddress] {
            await withCheckedContinuation { continuation in
                let isSlow = state.withLock { state in
                    state.asked.append(net.host)
                    if state.isSlow { state.waiting.append(continuation) }
                    return state.isSlow
                }
                if !isSlow { continuation.resume() }
            }
            return (try? SocketAddress(ipAddress: "127.0.0.7", port: Int(net.port))).map { [$0] } ?? []
        }

        func set(isSlow: Bool) {
            let waiting = state.withLock { state in
                state.isSlow = isSlow
                defer { state.waiting = [] }
                return isSlow ? [] : state.waiting
            }
            for continuation in waiting { continuation.resume() }
        }
    }

    private let server = NameServer()
    private let key: PublicKey

    init() throws { key = try Identity.random().publicKey }

    private func book(within time: Duration) -> AddressBook {
        AddressBook(lookUpTime: time) { [server] net, _ in await server.answer(net) }
    }

    private func host(_ name: String, _ author: AddressAuthor = .owner) throws -> AddressBook.Host {
        (PeerAddress(net: try NetAddress(host: name, port: 8008), key: key), author)
    }

    /// The address that a dial takes.
    private func dial(_ name: String, _ author: AddressAuthor = .owner, by book: AddressBook) async throws
        -> [String?]
    {
        let addresses = await book.addresses(of: [try host(name, author)])
        return addresses.flatMap(\.addresses).map(\.ipAddress)
    }

    @Test("are not waited for longer than a dial may, and are asked for once")
    func slow() async throws {
        let book = book(within: .milliseconds(1))
        for _ in 0..<3 { #expect(try await dial("a.test", by: book) == []) }
        while server.asked.isEmpty { await Task.yield() }
        #expect(server.asked == ["a.test"])
        server.set(isSlow: false)
        // The answer is kept, whenever it comes.
        while try await dial("a.test", by: book) != ["127.0.0.7"] { await Task.yield() }
        server.set(isSlow: true)
        #expect(try await dial("a.test", by: book) == ["127.0.0.7"], "what it was the last time")
        #expect(try await dial("b.test", by: book) == [])
        server.set(isSlow: false)
    }

    @Test("are asked for by sixteen at a time, and by others apart from the owner")
    func many() async throws {
        let book = book(within: .milliseconds(1))
        for number in 0..<20 { #expect(try await dial("\(number).test", .others, by: book) == []) }
        while server.asked.count < NameAnswers.underWayLimit { await Task.yield() }
        #expect(server.asked.count == NameAnswers.underWayLimit)
        _ = try await dial("owner.test", by: book)
        while server.asked.last != "owner.test" { await Task.yield() }
        server.set(isSlow: false)
        let patient = self.book(within: .seconds(50))
        #expect(try await dial("owner.test", by: patient) == ["127.0.0.7"])
    }
}
