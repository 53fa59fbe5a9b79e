internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node
internal import TypedSodium

/// Says where addresses lead, from the keyring alone.
struct Resolving {
    /// Where an address leads.
    struct Found {
        /// The portal's key; `nil` for a peer that listens itself.
        let portal: PublicKey?
        /// Where the portal, or the peer, listens; `nil` where that is not known here.
        let address: String?
        let target: PublicKey
        /// Which of the target's instances; `nil` where the address leaves that to the caller.
        let instance: Int?

        /// For people and scripts.
        var words: String { "\(address ?? portal?.id ?? "-") \(target.id)" }
    }

    /// What is said of an address.
    enum Answer {
        case resolved(Found)
        case unresolved(reason: String)
        case malformed(reason: String)
    }

    private let keyring: Keyring?
    private let index: AddressIndex?
    private let portals: [PeerAddress]

    /// Resolves with a keyring, whose index is made first when many addresses are to come.
    ///
    /// - Throws: ``CommandFailure``.
    init(_ keyring: Keyring?, _ portals: [PeerAddress], isForMany: Bool) throws(CommandFailure) {
        self.keyring = keyring
        self.portals = portals
        guard let keyring, isForMany else {
            index = nil
            return
        }
        do throws(KeyringError) {
            index = try AddressIndex(keyring: keyring, epoch: Epoch(unixSeconds: WallClock.seconds()))
        } catch {
            throw CommandFailure(error)
        }
    }

    /// Where an address leads.
    ///
    /// - Throws: ``CommandFailure``.
    func answer(to text: String) throws(CommandFailure) -> Answer {
        let address: Address
        do throws(AddressError) {
            address = try Address(text)
        } catch {
            return .malformed(reason: "\(error)")
        }
        switch address {
        case .peer(let peer):
            return .resolved(Found(portal: nil, address: "\(peer)", target: peer.key, instance: nil))
        case .tunnel(let tunnel):
            let known = try knownAddress(of: tunnel.portal, to: tunnel.target)
            return .resolved(
                Found(
                    portal: tunnel.portal, address: known, target: tunnel.target, instance: tunnel.instance))
        case .blinded(let blinded):
            guard let keyring else { return .unresolved(reason: "\(DestinationError.noKeyring)") }
            guard let resolution = try resolution(of: blinded, keyring) else {
                return .unresolved(reason: "\(DestinationError.unresolved)")
            }
            return .resolved(
                Found(
                    portal: resolution.portal.key.publicKey, address: resolution.portal.addressText,
                    target: resolution.target.publicKey, instance: blinded.target?.instance))
        }
    }

    private func resolution(
        of address: BlindedAddress, _ keyring: Keyring
    ) throws(CommandFailure) -> Resolution? {
        if let index { return index.resolve(address) }
        do throws(KeyringError) {
            return try keyring.circle.resolve(address, now: WallClock.seconds())
        } catch {
            throw CommandFailure(error)
        }
    }

    /// Where a portal listens that an address names by its key only.
    private func knownAddress(of portal: PublicKey, to target: PublicKey) throws(CommandFailure) -> String? {
        if let known = portals.first(where: { $0.key == portal }) { return "\(known)" }
        guard let keyring else { return nil }
        do throws(KeyringError) {
            let named = try keyring.friends.find(target)?.reach?.portals ?? []
            let known = try keyring.portals.all().map(\.portal.atFirstHost) + named
            return known.first { $0.key.publicKey == portal }?.addressText
        } catch {
            throw CommandFailure(error)
        }
    }
}

extension Resolving.Answer {
    /// For programs.
    func json(of text: String) -> JSONValue {
        switch self {
        case .resolved(let found):
            [
                "address": .string(text), "status": "resolved", "portal": .text(found.portal?.id),
                "portalAddress": .text(found.address), "target": .string(found.target.id),
                "instance": found.instance.map(JSONValue.count) ?? .null, "reason": .null,
            ]
        case .unresolved(let reason): Self.failure(text, "unresolved", reason)
        case .malformed(let reason): Self.failure(text, "malformed", reason)
        }
    }

    private static func failure(_ text: String, _ status: String, _ reason: String) -> JSONValue {
        [
            "address": .string(text), "status": .string(status), "portal": .null, "portalAddress": .null,
            "target": .null, "instance": .null, "reason": .string(reason),
        ]
    }
}
