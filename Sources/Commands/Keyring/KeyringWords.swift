internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node
internal import TypedSodium

extension ServiceGrant {
    /// For people: `all`, or the names.
    var words: String {
        switch self {
        case .all: "all"
        case .only(let names):
            names.isEmpty
                ? "none" : names.map { $0 == ServiceName.all ? "all" : $0 }.joined(separator: ", ")
        }
    }

    /// For programs: `null` for all of instance 0 and nothing else; else the names, with `*` for all.
    var json: JSONValue {
        switch self {
        case .all: .null
        case .only(let names): .array(names.map { .string($0) })
        }
    }

    /// What a command's `--service` options name; all of instance 0 where there is none.
    init(options names: [String]) { self = names.isEmpty ? .all : .services(names) }
}

extension PortalAddress {
    /// A portal at an address.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/usage``, for a host that an invite cannot name.
    init(_ address: PeerAddress, isOpen: Bool) throws(CommandFailure) {
        do throws(InviteCodeError) {
            try self.init(
                key: PortalKey(address.key), host: address.net.host, port: address.net.port, isOpen: isOpen)
        } catch {
            throw CommandFailure(
                .usage,
                "the host '\(address.net.host)' cannot stand in an invite: write a name or an IP address")
        }
    }
}

extension JSONValue {
    /// A point in time, or `null`.
    static func time(_ unixSeconds: UInt64?) -> JSONValue {
        unixSeconds.map { .string(TimeText.text($0)) } ?? .null
    }

    /// A text, or `null`.
    static func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }

    /// A count.
    static func count(_ count: Int) -> JSONValue { .integer(Int64(count)) }
}
