package import Blinding
package import MuxRPC
internal import TypedSodium

extension SeededRandom {
    /// Tokens that nobody else has.
    package mutating func tokens(_ count: Int) throws -> [PairToken] {
        try (0..<count).map { _ in PairToken(try FixedBytes(bytes(32).span)) }
    }
}

extension SessionPeer {
    /// Announces itself hidden; answered when the world has run.
    package func announce(_ tokens: some Sequence<PairToken>) throws -> RequestNumber {
        let values = tokens.map { JSONValue.string($0.base64) }
        return try call("tunnel.announce", [["hidden": true, "tokens": .array(values)]])
    }

    /// Asks for a tunnel to whatever the text names.
    package func connect(to target: String) throws -> StreamID {
        try open(.duplex, "tunnel.connect", [["target": .string(target), "instance": 0]])
    }

    /// Whether a call was answered `true`.
    package func isDone(_ call: RequestNumber) -> Bool { replies[call] == .value(true) }

    /// The error that a call was answered with.
    package func refusal(_ call: RequestNumber) -> String? {
        guard case .failure(let error)? = replies[call] else { return nil }
        return error.message
    }
}
