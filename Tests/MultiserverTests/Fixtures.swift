import Multiserver
import TestSupport
import TypedSodium

/// Two keys, and tunnel addresses written around them.
enum Fixtures {
    static let portal = key(of: 1)
    static let target = key(of: 2)
    static let seed = Base64.text(of: [UInt8](repeating: 7, count: 32))

    /// What stands for the portal in ``blinded(_:target:rest:transform:)``.
    static let value = key(of: 3).base64

    /// Some key; the same number gives the same one.
    static func key(of number: UInt64) -> PublicKey {
        var random = SeededRandom(seed: number)
        do {
            return PublicKey(try FixedBytes(random.bytes(PublicKey.byteCount)))
        } catch {
            preconditionFailure("32 bytes make a key: \(error)")
        }
    }

    /// A tunnel address with any of its parts replaced.
    static func tunnel(
        portal: String = Fixtures.portal.id, target: String = Fixtures.target.id, rest: String = "",
        transform: String = "~shs:\(Fixtures.target.base64)"
    ) -> String {
        "tunnel:\(portal):\(target)\(rest)\(transform)"
    }

    /// A blinded address that shows its target, with any of its parts replaced.
    static func blinded(
        _ form: String = "hmac1", target: String = Fixtures.target.id, rest: String = ":0",
        transform: String = "~shs:\(Fixtures.target.base64)"
    ) -> String {
        tunnel(portal: "\(value).\(form)", target: target, rest: rest, transform: transform)
    }
}

extension Address {
    /// Whether it shows neither portal nor target.
    var isSealed: Bool {
        if case .blinded(.sealed) = self { true } else { false }
    }
}
