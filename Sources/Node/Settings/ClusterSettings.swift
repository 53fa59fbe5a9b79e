package import Multiserver

/// A portal on many machines: where NATS is, and where the others dial this one; on one machine nothing of it is said.
package struct ClusterSettings: Equatable, Sendable {
    /// How long a machine that ends lets its endpoints go elsewhere, in seconds, where nothing is said.
    package static let standardDrain = 10
    /// How long it may.
    package static let drainRange = 0...3_600

    /// NATS' servers; none where the portal is on one machine.
    package var servers: [ClusterServer] = []
    /// Where other machines dial this one.
    package var listen: ListenAddress?
    /// What the others are told of that, where it is something else.
    package var advertise: NetAddress?
    /// The certificates that NATS' servers' are signed with; a path.
    package var authorityFile: String?
    /// How this machine shows NATS who it is: a .creds file, or the seed of an nkey; a path.
    package var credentialsFile: String?
    /// How long a machine that ends lets its endpoints go elsewhere, in seconds.
    package var drainSeconds: Int?

    /// A portal on one machine.
    package init() {}

    /// Whether the portal is on many machines.
    package var isOn: Bool { !servers.isEmpty }

    mutating func read(from reader: SettingsReader) async throws(SettingsError) {
        try await reader.read(.clusterServers, into: &servers, ClusterServer.init(_:))
        try await reader.read(.clusterListen, into: &listen) { text in
            (try? ListenAddress(text)).map(Optional.some)
        }
        try await reader.read(.clusterAdvertise, into: &advertise) { text in
            (try? NetAddress(hostAndPort: text)).map(Optional.some)
        }
        try await reader.read(.clusterAuthorityFile, into: &authorityFile) { $0.isEmpty ? nil : .some($0) }
        try await reader.read(.clusterCredentialsFile, into: &credentialsFile) {
            $0.isEmpty ? nil : .some($0)
        }
        try await reader.read(.clusterDrain, into: &drainSeconds, within: Self.drainRange)
    }
}

/// A server of NATS, with what its address says of who we are: `nats://[USER[:PASSWORD]@]HOST[:PORT]`, or `tls://…`.
package struct ClusterServer: Hashable, Sendable {
    /// What is to be written, behind the word "write".
    package static let words = "a list of nats://HOST:PORT or tls://HOST:PORT"

    private static let schemes = ["nats", "tls"]
    private static let standardPort: UInt16 = 4_222

    /// `nats` or `tls`.
    package let scheme: String
    /// Where it is.
    package let address: NetAddress
    /// A name, or a token where there is no password.
    package let user: String?
    /// The password.
    package let password: String?

    /// Reads an address.
    ///
    /// - Throws: ``ClusterServerError``, which has nothing of the text.
    package init(_ text: String) throws(ClusterServerError) {
        guard let colon = text.firstRange(of: "://"), text.utf8.count <= 1_024 else {
            throw .noScheme
        }
        scheme = String(text[..<colon.lowerBound])
        guard Self.schemes.contains(scheme) else { throw .noScheme }
        var rest = text[colon.upperBound...]
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        if let at = rest.lastIndex(of: "@") {
            let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let words = parts.map { Self.decoded($0) }
            guard let first = words[0], !first.isEmpty, !words.contains(nil) else { throw .badUser }
            user = first
            password = words.count > 1 ? words[1] : nil
            rest = rest[rest.index(after: at)...]
        } else {
            (user, password) = (nil, nil)
        }
        let hasPort = rest.hasSuffix("]") ? false : rest.lastIndex(of: ":") != nil
        do throws(AddressError) {
            address = try NetAddress(
                hostAndPort: hasPort ? String(rest) : "\(rest):\(Self.standardPort)")
        } catch {
            throw .badAddress(error)
        }
    }

    /// The address without what nobody but the server may see.
    package var url: String { "\(scheme)://\(address.hostAndPort)" }

    /// The form that `init(_:)` reads, with its secrets.
    var secretText: String {
        guard let user else { return url }
        let words = [user, password].compactMap(\.self).map(Self.encoded).joined(separator: ":")
        return "\(scheme)://\(words)@\(address.hostAndPort)"
    }

    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(Substring(rest.prefix(2))), radix: 16) else {
                return nil
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func encoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { encoded, byte in
            let isPlain =
                (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
            let digits = String(byte, radix: 16)
            encoded += isPlain ? String(UnicodeScalar(byte)) : digits.count < 2 ? "%0\(digits)" : "%\(digits)"
        }
    }
}

extension ClusterServer: CustomStringConvertible {
    /// The address, without its secrets.
    package var description: String { url }
}

/// Why a text is no server of NATS.
package enum ClusterServerError: Error, Equatable, Sendable {
    /// It begins neither with `nats://` nor with `tls://`.
    case noScheme
    /// In front of the `@` stands no name that can be read.
    case badUser
    /// The host or the port is none.
    case badAddress(AddressError)
}

extension ClusterServerError: CustomStringConvertible {
    /// A sentence with the remedy.
    package var description: String {
        switch self {
        case .noScheme: "a server of NATS is written nats://HOST:PORT or tls://HOST:PORT"
        case .badUser:
            "in front of the @ of a NATS server stands USER:PASSWORD, or a token; write signs as %40"
        case .badAddress(let error): "\(error), in the address of a NATS server"
        }
    }
}
