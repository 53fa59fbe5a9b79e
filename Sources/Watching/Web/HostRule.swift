/// Which names a browser may call a server by that asks for no token.
///
/// A page from elsewhere can have its own name lead to this machine, and would be this server's neighbour then (DNS
/// rebinding). It cannot do so with an address, nor with `localhost`; so a name has to be one of those, or the one that
/// the operator had the server listen at.
package struct HostRule: Sendable {
    private let own: String?

    /// The rule of a server that listens at a name or address; `nil` for a socket in the file system.
    package init(listeningAt host: String?) { own = host?.lowercased() }

    /// Whether a header `Host` names this machine by right.
    package func admits(_ authority: String?) -> Bool {
        guard let authority, let host = Self.host(of: authority) else { return false }
        return host == "localhost" || host.hasSuffix(".localhost") || host == own || Self.isAddress(host)
    }

    /// Without the port; `nil` for what is no host.
    private static func host(of authority: String) -> String? {
        let text = authority.lowercased()
        guard text.utf8.count <= 255 else { return nil }
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { return nil }
            return String(text[text.index(after: text.startIndex)..<end])
        }
        let host = text.prefix { $0 != ":" }
        return host.isEmpty ? nil : String(host)
    }

    /// Whether it is IPv4's four numbers, or has a colon as only IPv6 has.
    private static func isAddress(_ host: String) -> Bool {
        if host.contains(":") { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil && $0.allSatisfy(\.isASCII) }
    }
}
