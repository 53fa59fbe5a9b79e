internal import ArgumentParser
internal import Multiserver
internal import Node
internal import Sodium

/// Reads arguments whose types explain their own errors.
enum Parsing {
    @Sendable static func listenAddress(_ text: String) throws -> ListenAddress {
        try explained { try ListenAddress(text) }
    }

    @Sendable static func host(_ text: String) throws -> String {
        try explained { try NetAddress(host: text, port: NetAddress.defaultPort).host }
    }

    @Sendable static func service(_ text: String) throws -> ServiceSetting {
        try explained { try ServiceSetting(text) }
    }

    @Sendable static func id(_ text: String) throws -> PublicKey { try explained { try PublicKey(id: text) } }

    private static func explained<Value>(_ read: () throws -> Value) throws -> Value {
        do {
            return try read()
        } catch {
            throw ValidationError("\(error)")
        }
    }
}
