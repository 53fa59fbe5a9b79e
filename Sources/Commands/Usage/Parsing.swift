internal import ArgumentParser
internal import Multiserver
internal import Node
internal import PortalCore
internal import Transport
internal import TypedSodium

/// Reads arguments whose types explain their own errors.
enum Parsing {
    @Sendable static func listenAddress(_ text: String) throws -> ListenAddress {
        do {
            return try ListenAddress(text)
        } catch AddressError.badPort {
            throw ValidationError(
                "There is no port from 0 to 65535: write PORT for this machine alone, HOST:PORT, or '*:PORT' for all."
            )
        } catch {
            throw ValidationError("\(error)")
        }
    }

    @Sendable static func netAddress(_ text: String) throws -> NetAddress {
        try explained { try NetAddress(hostAndPort: text) }
    }

    @Sendable static func addressRange(_ text: String) throws -> AddressRange {
        try explained { try AddressRange(text) }
    }

    @Sendable static func memorySize(_ text: String) throws -> MemorySize {
        guard let size = MemorySize(text) else { throw ValidationError("\(MemorySize.remedy).") }
        return size
    }

    @Sendable static func volume(_ text: String) throws -> DataAmount {
        guard let amount = DataAmount(text) else { throw ValidationError("\(DataAmount.remedy).") }
        return amount
    }

    @Sendable static func rate(_ text: String) throws -> DataAmount {
        guard let amount = DataAmount(perSecond: text) else {
            throw ValidationError("\(DataAmount.rateRemedy).")
        }
        return amount
    }

    @Sendable static func watchAddress(_ text: String) throws -> WatchAddress {
        guard let address = WatchAddress(text) else { throw ValidationError("Write \(WatchAddress.words).") }
        return address
    }

    @Sendable static func clusterServers(_ text: String) throws -> [ClusterServer] {
        try explained { try text.split(separator: ",").map { try ClusterServer(String($0)) } }
    }

    @Sendable static func host(_ text: String) throws -> String {
        try explained { try NetAddress(host: text, port: NetAddress.defaultPort).host }
    }

    @Sendable static func service(_ text: String) throws -> ServiceSetting {
        try explained { try ServiceSetting(text) }
    }

    /// What somebody may be allowed, `ssh` or `1/ssh`, by the rule for services that this node can serve.
    @Sendable static func grantedService(_ text: String) throws -> String {
        try explained { try ServiceSetting.grantedName(text).description }
    }

    /// A service of a peer, `ssh` or `1/ssh`; what it is called there is the peer's business.
    @Sendable static func service(ofPeer text: String) throws -> ServiceName {
        try explained { try ServiceName(parsing: text) }
    }

    /// The number of an instance.
    @Sendable static func instance(_ text: String) throws -> Int {
        try explained { try ServiceName.instance(text) }
    }

    @Sendable static func id(_ text: String) throws -> PublicKey {
        try explained { try PublicKey(id: CodeText.bare(text)) }
    }

    @Sendable static func lifetime(_ text: String) throws -> Lifetime {
        guard let lifetime = Lifetime(text) else {
            throw ValidationError("Write a number of days, hours or minutes like 7d, 12h or 30m, or 'never'.")
        }
        return lifetime
    }

    private static func explained<Value>(_ read: () throws -> Value) throws -> Value {
        do {
            return try read()
        } catch {
            throw ValidationError(ErrorWords.text(of: error))
        }
    }
}
