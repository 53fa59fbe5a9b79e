import Foundation
import TypedSodium

/// A key pair of NATS, in its text: base32 of a prefix, the key, and a checksum.
///
/// Source: github.com/nats-io/nkeys, strkey.go.
struct NKey {
    enum Kind: UInt8 {
        case operatorKey = 14
        case account = 0
        case user = 20
    }

    private static let seedPrefix: UInt8 = 18 << 3
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")

    let identity: Identity
    let kind: Kind

    /// A fresh one.
    init(_ kind: Kind) throws {
        identity = try .random()
        self.kind = kind
    }

    /// The public key.
    var name: String { Self.text([kind.rawValue << 3] + identity.publicKey.bytes.array) }

    /// The seed.
    var seed: String {
        let type = kind.rawValue << 3
        let secret = unsafe identity.withUnsafeSecretBytes { unsafe Array($0.prefix(32)) }
        return Self.text([Self.seedPrefix | type >> 5, type << 3] + secret)
    }

    private static func text(_ bytes: [UInt8]) -> String {
        let sum = bytes.reduce(0 as UInt16) { sum, byte in
            (0..<8).reduce(sum ^ UInt16(byte) << 8) { sum, _ in
                sum & 0x8000 == 0 ? sum << 1 : sum << 1 ^ 0x1021
            }
        }
        let bits = (bytes + [UInt8(sum & 0xff), UInt8(sum >> 8)]).flatMap { byte in
            (0..<8).map { byte >> (7 - $0) & 1 }
        }
        return String(
            stride(from: 0, to: bits.count, by: 5).map { start in
                digits[(0..<5).reduce(0) { $0 << 1 | Int(start + $1 < bits.count ? bits[start + $1] : 0) }]
            })
    }
}

/// What one key says of another, signed, as NATS' operators hand it out.
///
/// Source: github.com/nats-io/jwt, version 2.
struct SignedClaim {
    let text: String

    /// `issuer` says of `subject` what its kind is, and what it may do.
    init(of subject: NKey, by issuer: NKey) throws {
        let unlimited = #""subs":-1,"data":-1,"payload":-1"#
        let (type, limits) =
            switch subject.kind {
            case .operatorKey: ("operator", "")
            case .account:
                ("account", #""limits":{\#(unlimited),"imports":-1,"exports":-1,"conn":-1,"leaf":-1},"#)
            case .user: ("user", #""pub":{},"sub":{},\#(unlimited),"#)
            }
        let claims =
            #"{"jti":"","iat":1700000000,"iss":"\#(issuer.name)","name":"test","sub":"\#(subject.name)","#
            + #""nats":{\#(limits)"type":"\#(type)","version":2}}"#
        let signed = [#"{"typ":"JWT","alg":"ed25519-nkey"}"#, claims].map {
            Self.base64(Array($0.utf8))
        }.joined(separator: ".")
        let signature = issuer.identity.sign(Array(signed.utf8).span)
        text = signed + "." + Self.base64(signature.bytes.array)
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        Foundation.Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
    }
}

/// An operator with one account, and the users that it lets in.
struct SignedAccount {
    let operatorKey: NKey
    let account: NKey

    init() throws { (operatorKey, account) = (try NKey(.operatorKey), try NKey(.account)) }

    /// What a server is told that believes this operator.
    func configuration() throws -> String {
        """
        operator: \(try SignedClaim(of: operatorKey, by: operatorKey).text)
        resolver: MEMORY
        resolver_preload: { \(account.name): "\(try SignedClaim(of: account, by: operatorKey).text)" }
        """
    }

    /// A user's file as an operator hands it out.
    func credentials() throws -> String {
        let user = try NKey(.user)
        return """
            -----BEGIN NATS USER JWT-----
            \(try SignedClaim(of: user, by: account).text)
            ------END NATS USER JWT------

            -----BEGIN USER NKEY SEED-----
            \(user.seed)
            ------END USER NKEY SEED------

            """
    }
}
