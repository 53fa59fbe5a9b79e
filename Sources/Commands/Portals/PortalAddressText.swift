internal import Multiserver
internal import Node

/// Reads the address of a portal as people give it, and says what one looks like where it is none.
enum PortalAddressText {
    /// What an address looks like, and who has it.
    private static let shape = "net:HOST:PORT~shs:KEY, the line that `cway portal` prints when it starts"

    /// Reads the addresses of one portal: one, or several with `;` between.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/usage``.
    static func readAll(_ text: String) throws(CommandFailure) -> [PeerAddress] {
        _ = try read(text)
        do throws(AddressError) {
            return try PeerAddress.alternatives(in: text)
        } catch {
            throw CommandFailure(.usage, error)
        }
    }

    private static func read(_ text: String) throws(CommandFailure) -> PeerAddress {
        let address: Address
        do throws(AddressError) {
            address = try Address(text)
        } catch {
            if let place = place(in: text) {
                throw CommandFailure(
                    .usage,
                    "'\(text)' says where a portal listens, and not which key it has: ask its operator for its "
                        + "address, net:\(place.host):\(place.port)~shs:KEY, the line that `cway portal` prints when it "
                        + "starts")
            }
            throw CommandFailure(.usage, "\(error); a portal's address is \(shape): ask its operator for it")
        }
        guard case .peer(let peer) = address else {
            throw CommandFailure(
                .usage, "this is the address of a node behind a portal; a portal's own is \(shape)")
        }
        return peer
    }

    /// A host and a port, or a host alone.
    private static func place(in text: String) -> NetAddress? {
        let text = text.hasPrefix("net:") ? String(text.dropFirst("net:".count)) : text
        if let place = try? NetAddress(hostAndPort: text) { return place }
        // A word alone may be anything; with a dot it is meant as a host.
        guard text.contains("."), !text.contains(":") else { return nil }
        return try? NetAddress(host: text, port: NetAddress.defaultPort)
    }
}
