import SecretHandshake
import Synchronization
import Testing
import TypedSodium

@Suite("An ephemeral key that is made late")
struct LateKeyTests {
    private let identity: Identity
    private let network: NetworkIdentifier
    private let made = Counter()

    init() throws {
        identity = try .random()
        network = NetworkIdentifier(try FixedBytes([UInt8](repeating: 7, count: 32)))
    }

    private func server() -> ServerHandshake {
        ServerHandshake(network: network, identity: identity) { [made] in
            made.count.withLock { $0 += 1 }
            return .random()
        }
    }

    private func hello(on network: NetworkIdentifier) throws -> [UInt8] {
        let client = try ClientHandshake(
            network: network, identity: .random(), server: identity.publicKey, ephemeral: .random())
        return client.hello
    }

    /// What a message is refused for.
    private func refusal(of message: [UInt8], by server: inout ServerHandshake) -> HandshakeError? {
        do throws(HandshakeError) {
            _ = try server.receive(message.span)
            return nil
        } catch {
            return error
        }
    }

    @Test("is made once, when a hello has come: who only connects costs none")
    func once() throws {
        var server = server()
        #expect(made.value == 0)
        #expect(refusal(of: try hello(on: network), by: &server) == nil)
        #expect(made.value == 1)
        #expect(refusal(of: [UInt8](repeating: 0, count: 112), by: &server) == .forged)
        #expect(made.value == 1)
    }

    @Test("is not made for somebody of another network")
    func otherNetwork() throws {
        var server = server()
        let other = NetworkIdentifier(try FixedBytes([UInt8](repeating: 8, count: 32)))
        let refused = refusal(of: try hello(on: other), by: &server)
        #expect(refused == .wrongNetwork && made.value == 0)
    }
}

private final class Counter: Sendable {
    let count = Mutex(0)
    var value: Int { count.withLock(\.self) }
}
