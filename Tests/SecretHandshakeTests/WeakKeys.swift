import TestSupport

/// X25519 coordinates of small order: with each of them every scalar agrees on zero.
///
/// Source: D. J. Bernstein, "Curve25519", "How do I validate Curve25519 public keys?"; the last three are the
/// first two and minus one with the prime or one more added, which libsodium reduces.
enum WeakEphemeralKeys {
    static let all: [Hex] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]
}

/// Ed25519 points of small order, as go-secretstream lists them.
enum LowOrderPoints {
    private struct File: Decodable {
        let low_order_ed25519_points: [Hex]
    }

    static func load() throws -> [Hex] {
        try Vectors.load("ed25519-low-order", as: File.self).low_order_ed25519_points
    }
}
