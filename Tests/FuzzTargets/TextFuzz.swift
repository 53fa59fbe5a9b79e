internal import Blinding
import Invitation
internal import Multiserver
internal import TypedSodium

/// Every parser of addresses: what it takes it prints, and takes that again.
enum AddressFuzz {
    static func run(_ text: String) {
        if let address = try? MultiserverAddress(text) {
            precondition((try? MultiserverAddress(address.description)) == address, "\(address)")
        }
        if let address = try? Address(text) {
            precondition((try? Address(address.description)) == address, "\(address)")
        }
        if let net = try? NetAddress(hostAndPort: text) {
            precondition((try? NetAddress(hostAndPort: net.hostAndPort)) == net, "\(net)")
        }
        if let key = try? PublicKey(id: text) {
            precondition(key.id == text, "an id has one spelling")
        }
        _ = try? PeerAddress(hostPortAndID: text)
        _ = try? ListenAddress(text)
        _ = try? PortalInvite(text)
    }
}

/// Codes as text, and what lies behind a right checksum, where nothing else keeps nonsense out.
enum CodeFuzz {
    static func run(_ input: inout FuzzInput) {
        if input.choice(2) == 0 {
            check(input.restAsText())
        } else {
            var bytes = input.rest()
            bytes += checksum(of: bytes)
            let digits = TextEncoding.base64URL.encode(bytes.span)
            check(InviteCode.prefix + String(decoding: digits, as: UTF8.self))
        }
    }

    private static func check(_ text: String) {
        guard let code = try? InviteCode(text) else { return }
        precondition((try? code.encoded()) == Array(text.utf8), "a code has one spelling")
    }

    private static func checksum(of bytes: [UInt8]) -> [UInt8] {
        var hash = GenericHash(label: "companionway/1/invite")
        hash.update(bytes.span)
        return Array(hash.finalize().array.prefix(4))
    }
}
