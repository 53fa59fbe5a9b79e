import Blinding
import MuxRPC
import Multiserver
import NIOCore
import Sodium
import TestSupport
import Testing
import Tunnel

@Suite("A request to connect")
struct ConnectRequestTests {
    private let portal: PublicKey
    private let target: PublicKey
    private let caller: PublicKey

    init() throws {
        var random = SeededRandom(seed: 3)
        portal = PublicKey(try FixedBytes(random.bytes(32).span))
        target = PublicKey(try FixedBytes(random.bytes(32).span))
        caller = PublicKey(try FixedBytes(random.bytes(32).span))
    }

    private func read(_ arguments: [JSONValue]) throws(ConnectRefusal) -> ConnectRequest {
        try ConnectRequest(arguments, from: caller, at: portal)
    }

    @Test("is forwarded untouched, but for what is missing or must be true")
    func forwarded() throws {
        let full: JSONValue = [
            "x": [1.50, .null], "target": .string(target.id), "instance": -1, "portal": .string(portal.id),
        ]
        var expected = full
        expected["origin"] = .string(caller.id)
        #expect(try read([full]).forwarded == expected)
        #expect(try read([full]).target == .id(target))

        let bare = try read([["origin": 7, "target": .string(target.id), "instance": nil, "portal": nil]])
        #expect(
            bare.forwarded == [
                "origin": .string(caller.id), "target": .string(target.id), "instance": 0,
                "portal": .string(portal.id),
            ])
    }

    @Test(
        "passes the instance on as it was written, beside an id and beside a token",
        arguments: [
            "1", "-1", "1.0", "1e0", "0.10e1", "9007199254740993", "1e400", "\"1\"", "true", "[0]",
            "{\"n\":1}",
        ])
    func instance(text: String) throws {
        let instance = try JSONValue(parsing: ByteBuffer(string: text))
        for name in [target.id, PairToken(target.bytes).target] {
            let request = try read([["target": .string(name), "instance": instance]])
            #expect(request.forwarded["instance"]?.description == text)
        }
    }

    @Test("means this portal, in whichever of the two spellings of an id")
    func portalSpelling() throws {
        let spelled = JSONValue.string(portal.id.replacing(".ed25519", with: ".sha256"))
        let request = try read([["target": .string(target.id), "portal": spelled]])
        #expect(request.forwarded["portal"] == spelled)
    }

    @Test("is refused when it is none")
    func invalid() {
        let wrong: [[JSONValue]] = [
            [], [.null], ["text"], [[]], [[:]], [["target": 1]], [["target": nil]],
            [["target": .string(target.id)], nil],
        ]
        for arguments in wrong {
            #expect(throws: ConnectRefusal.invalidArguments) { try read(arguments) }
        }
        #expect(throws: ConnectRefusal.wrongPortal) {
            try read([["target": .string(target.id), "portal": .string(target.id)]])
        }
        #expect(throws: ConnectRefusal.wrongPortal) {
            try read([["target": .string(target.id), "portal": ["x"]]])
        }
        #expect(throws: ConnectRefusal.toSelf) { try read([["target": .string(caller.id)]]) }
    }

    @Test("names nobody when the target is no id, and is echoed up to a limit")
    func echo() throws {
        let text = "x" + String(repeating: "ä", count: 100_000)
        let request = try read([["target": .string(text)]])
        #expect(request.target == .nobody)
        let message = ConnectRefusal.unreachable(request.targetText).message
        #expect(message == "could not connect to:x" + String(repeating: "ä", count: 63))
    }

    @Test("names nobody but by a token in its one spelling, which goes on as it came and into no log")
    func token() throws {
        var random = SeededRandom(seed: 4)
        let token = PairToken(try FixedBytes(random.bytes(32).span))
        let request = try read([["target": .string(token.target), "instance": 0]])
        #expect(request.target == .token(token) && request.isByToken)
        #expect(request.forwarded["target"] == .string(token.target))
        #expect(request.forwarded["origin"] == .string(caller.id))
        #expect(request.forwarded["portal"] == .string(portal.id))
        #expect(!ConnectRefusal.unreachable(request.targetText).reason.contains(token.base64))

        // Not even the caller's own key in the place of a token is anybody's id.
        #expect(try read([["target": .string(caller.base64 + ".token1")]]).target != .id(caller))
        for spoilt in [
            token.base64, token.target + " ", "@" + token.target, token.base64 + ".token2",
            String(token.base64.dropLast()) + ".token1", ".token1",
        ] {
            let request = try read([["target": .string(spoilt)]])
            #expect(request.target == .nobody && request.isByToken == spoilt.hasSuffix(".token1"))
        }
    }
}
