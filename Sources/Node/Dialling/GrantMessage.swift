package import Blinding
internal import Invitation
package import Keyring
internal import Multiserver
package import MuxRPC
internal import NIOCore
package import Tunnel
package import TypedSodium

/// A grant as it travels: the answer to `circle.grant`.
///
/// `{"name", "generation", "epoch", "portals": [{"id", "host", "port", "hidden", "as"}], "key"}`; `as` is the key that
/// the owner shows at a portal where it is hidden.
package enum GrantMessage {
    /// The answer, laid out by hand: a JSON value would leave copies of the key behind.
    ///
    /// - Throws: what `shownKey` throws, which tells the key that this node shows at a portal where it is hidden.
    package static func text(
        of grant: borrowing CircleGrant, shownKey: (PortalKey) throws -> PublicKey
    ) throws -> SecretJSON {
        var portals: [JSONValue] = []
        for portal in grant.portals {
            var fields = JSONObject()
            fields["id"] = .string(portal.key.publicKey.id)
            fields["host"] = .string(portal.host)
            fields["port"] = .integer(Int64(portal.port))
            fields["hidden"] = .bool(!portal.isOpen)
            if !portal.isOpen { fields["as"] = .string(try shownKey(portal.key).id) }
            portals.append(.object(fields))
        }
        let shown: JSONValue = [
            "name": .string(grant.name), "generation": .integer(Int64(clamping: grant.generation)),
            "epoch": .integer(Int64(clamping: grant.epoch.number)), "portals": .array(portals),
        ]
        // All but the closing brace; the key comes last.
        let head = Array(shown.serialized.readableBytesView.dropLast())
        let (before, behind) = (Array(",\"key\":\"".utf8), Array("\"}".utf8))
        let digitCount = TextEncoding.base64.digitCount(forByteCount: SecretKey.byteCount)
        return SecretJSON(capacity: head.count + before.count + digitCount + behind.count) { text in
            var key: [UInt8] = []
            key.reserveCapacity(SecretKey.byteCount)
            grant.key.append(to: &key)
            var digits = TextEncoding.base64.encode(key.span)
            defer {
                wipe(&key)
                wipe(&digits)
            }
            text += head + before
            text += digits
            text += behind
        }
    }

    /// Reads an answer.
    ///
    /// - Throws: ``GrantError``.
    package static func grant(in json: JSONValue) throws(GrantError) -> CircleGrant {
        guard let name = json["name"]?.string, let generation = json["generation"]?.integer, generation >= 0,
            let epoch = json["epoch"]?.integer, epoch >= 0,
            let text = json["key"]?.string, let list = json["portals"]?.array
        else { throw .malformed }
        guard list.count <= InviteCode.portalCountLimit else { throw .tooManyPortals(list.count) }
        var portals: [PortalAddress] = []
        for entry in list { portals.append(try portal(in: entry)) }
        guard (try? PortalAddress.verifyAgreement(of: portals)) != nil else { throw .malformed }
        let key: SecretKey
        do throws(SodiumError) {
            var digits = Array(text.utf8)
            defer { wipe(&digits) }
            var bytes = try TextEncoding.base64.decode(digits.span)
            defer { wipe(&bytes) }
            key = try SecretKey(copying: bytes.span)
        } catch {
            throw .malformed
        }
        do throws(KeyringError) {
            return try CircleGrant(
                name: name, generation: UInt64(generation), epoch: Epoch(UInt64(epoch)), key: key,
                portals: portals)
        } catch {
            throw .malformed
        }
    }

    private static func portal(in json: JSONValue) throws(GrantError) -> PortalAddress {
        guard let id = json["id"]?.string, let key = try? PublicKey(id: id), let host = json["host"]?.string,
            let number = json["port"]?.integer, let port = UInt16(exactly: number),
            let isHidden = json["hidden"]?.bool
        else { throw .malformed }
        let shownKey = try shownKey(in: json, isHidden: isHidden)
        guard
            let portal = try? PortalAddress(
                key: PortalKey(key), host: host, port: port, isOpen: !isHidden, shownKey: shownKey)
        else { throw .malformed }
        return portal
    }

    /// The key shown at a portal: there where the owner is hidden, and nowhere else.
    private static func shownKey(in json: JSONValue, isHidden: Bool) throws(GrantError) -> PublicKey? {
        guard let value = json["as"] else {
            guard !isHidden else { throw .malformed }
            return nil
        }
        guard isHidden, let id = value.string, let key = try? PublicKey(id: id) else { throw .malformed }
        return key
    }
}

/// Why a friend's answer is no grant.
package enum GrantError: Error, Equatable {
    /// Something is missing in it or is not what it should be.
    case malformed
    /// It names more portals than a grant may.
    case tooManyPortals(Int)
}

extension GrantError: CustomStringConvertible {
    /// The cause and the remedy, for people.
    package var description: String {
        switch self {
        case .malformed:
            "the friend's node answered with something that is no grant: ask its owner to update it"
        case .tooManyPortals(let count):
            "the friend's node names \(count) portals, more than \(InviteCode.portalCountLimit): "
                + "ask its owner to remove some"
        }
    }
}
