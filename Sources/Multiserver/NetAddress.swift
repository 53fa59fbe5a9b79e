/// Where a peer listens: a name or IP address, and a TCP port.
public struct NetAddress: Hashable, Sendable {
    /// The port that SSB programs listen on unless told otherwise.
    ///
    /// Source: ssb-ref, index.js.
    public static let defaultPort: UInt16 = 8008

    /// A name, an IPv4 address or an IPv6 address without brackets; never empty.
    public let host: String
    /// The TCP port, never 0.
    public let port: UInt16

    /// Checks the host, takes its brackets off, and reads an empty one as `localhost`.
    ///
    /// - Throws: ``AddressError/badHost`` or ``AddressError/badPort``.
    public init(host: String, port: UInt16) throws(AddressError) {
        guard port != 0 else { throw .badPort }
        self.host = try Host.normalized(host)
        self.port = port
    }

    /// Reads `PORT`, which means this machine's, or `HOST:PORT`.
    ///
    /// - Throws: ``AddressError/badHost`` or ``AddressError/badPort``.
    public init(portOrHostAndPort text: String) throws(AddressError) {
        try self.init(hostAndPort: isPortAlone(text) ? ":\(text)" : text)
    }

    /// Reads `HOST:PORT`; what is behind the last colon is the port, so IPv6 works without brackets too.
    ///
    /// - Throws: ``AddressError/badHost`` or ``AddressError/badPort``.
    public init(hostAndPort text: String) throws(AddressError) {
        let (host, port) = try splitHostAndPort(text)
        try self.init(host: String(host), port: port)
    }

    /// The address for people: `HOST:PORT`, with brackets around an IPv6 address.
    public var hostAndPort: String { Host.isIPv6(host) ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

extension NetAddress: CustomStringConvertible {
    /// The multiserver form, `net:host:port`; IPv6 without brackets, as multiserver's `net` wants it.
    public var description: String { "net:\(host):\(port)" }
}

/// Where to listen: one host or every interface, and a TCP port or any free one.
///
/// | text          | listens on                                             |
/// |---------------|--------------------------------------------------------|
/// | `[::1]:8008`  | that IPv6 address; `::1:8008` is the same              |
/// | `:8008`       | `localhost`: an empty host means that in addresses too |
/// | `*:8008`      | every interface                                        |
/// | `localhost:0` | a free port                                            |
/// | `8008`        | `localhost`: a port alone means this machine           |
public struct ListenAddress: Hashable, Sendable {
    /// The host, checked and without brackets; `nil` for every interface.
    public let host: String?
    /// The TCP port; 0 for a free one.
    public let port: UInt16

    /// Reads `HOST:PORT`, or `PORT`.
    ///
    /// Nothing listens to the world by omission: that takes the `*`.
    ///
    /// - Throws: ``AddressError/badHost`` or ``AddressError/badPort``.
    public init(_ text: String) throws(AddressError) {
        let (host, port) = try splitHostAndPort(isPortAlone(text) ? ":\(text)" : text)
        self.host = host == "*" ? nil : try Host.normalized(host)
        self.port = port
    }
}

extension ListenAddress: CustomStringConvertible {
    /// The form that `init(_:)` reads.
    public var description: String {
        guard let host else { return "*:\(port)" }
        return Host.isIPv6(host) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

/// Whether there is nothing but a number.
private func isPortAlone(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
}

/// Cuts at the last colon; the host is not looked at yet.
func splitHostAndPort(_ text: String) throws(AddressError) -> (host: Substring, port: UInt16) {
    guard text.utf8.count <= AddressList.byteCountLimit else {
        throw .tooLong(text.utf8.count, limit: AddressList.byteCountLimit)
    }
    guard let colon = text.lastIndex(of: ":") else { throw .badPort }
    return (text[..<colon], try portNumber(text[text.index(after: colon)...]))
}

/// Reads a port in plain decimal, without sign or leading zeros; 0 is for the caller to judge.
func portNumber(_ text: some StringProtocol) throws(AddressError) -> UInt16 {
    guard let port = UInt16(text), String(port) == text else { throw .badPort }
    return port
}
