package import Multiserver

/// Where those who watch a daemon reach it: a port, or a socket in the file system.
package enum WatchAddress: Equatable, Sendable {
    /// A port at an address of this machine, or at all of them.
    case tcp(ListenAddress)
    /// A socket at a path.
    case unix(path: String)

    /// What is to be written, behind the word "write".
    package static let words = "PORT, HOST:PORT or unix:PATH"

    private static let unixPrefix = "unix:"
    /// What a `sockaddr_un` has room for, the closing zero aside.
    private static let pathByteCountLimit = 107

    /// Reads `PORT`, which is this machine's alone, `HOST:PORT`, `*:PORT` or `unix:PATH`; `nil` for anything else.
    package init?(_ text: String) {
        if text.hasPrefix(Self.unixPrefix) {
            let path = String(text.dropFirst(Self.unixPrefix.count))
            guard !path.isEmpty, path.utf8.count <= Self.pathByteCountLimit, !path.utf8.contains(0) else {
                return nil
            }
            self = .unix(path: path)
        } else {
            guard
                let isPort = text.utf8.first.map({ _ in text.utf8.allSatisfy { (0x30...0x39).contains($0) } }
                ),
                let address = try? ListenAddress(isPort ? "localhost:\(text)" : text)
            else { return nil }
            self = .tcp(address)
        }
    }

    static func setting(_ text: String) -> WatchAddress?? { WatchAddress(text).map(Optional.some) }

    /// Whether only those on this machine get there.
    package var isLocal: Bool {
        switch self {
        case .unix: true
        case .tcp(let address): address.host.map(Self.isLoopback) ?? false
        }
    }

    private static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1"
            || host.hasPrefix("127.") && host.split(separator: ".").count == 4
                && host.split(separator: ".").allSatisfy { UInt8($0) != nil }
    }
}

extension WatchAddress: CustomStringConvertible {
    /// The form that `init(_:)` reads.
    package var description: String {
        switch self {
        case .tcp(let address): "\(address)"
        case .unix(let path): Self.unixPrefix + path
        }
    }
}
