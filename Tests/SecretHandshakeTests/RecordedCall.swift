import TestSupport

/// One call of a secret-handshake's function as `shs-vectors.json` recorded it: name, arguments, result.
struct RecordedCall: Decodable {
    let name: String
    let args: [Value]
    let result: Value?

    enum Value: Decodable {
        case bytes(Hex)
        case state(RecordedState)
        case keyPair(RecordedKeyPair)

        init(from decoder: any Decoder) throws {
            if let bytes = try? Hex(from: decoder) {
                self = .bytes(bytes)
            } else if let state = try? RecordedState(from: decoder) {
                self = .state(state)
            } else {
                self = .keyPair(try RecordedKeyPair(from: decoder))
            }
        }

        var bytes: Hex? { if case .bytes(let bytes) = self { bytes } else { nil } }

        var state: RecordedState? { if case .state(let state) = self { state } else { nil } }

        var keyPair: RecordedKeyPair? { if case .keyPair(let pair) = self { pair } else { nil } }
    }
}

/// What the recorded implementation knew, before or after a call.
struct RecordedState: Decodable {
    struct Local: Decodable {
        let kx_pk: Hex
        let kx_sk: Hex?
        let publicKey: Hex
        let secretKey: Hex
        let app_mac: Hex
    }

    struct Remote: Decodable {
        let kx_pk: Hex?
        let app_mac: Hex?
        let publicKey: Hex?
        let hello: Hex?
    }

    let app_key: Hex
    let local: Local
    let remote: Remote
    let random: Hex?
    let secret: Hex?
    let shash: Hex?
    let a_bob: Hex?
    let secret2: Hex?
    let b_alice: Hex?
    let secret3: Hex?
}

struct RecordedKeyPair: Decodable {
    let publicKey: Hex
    let secretKey: Hex
}
