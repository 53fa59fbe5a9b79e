internal import Invitation
internal import Blinding
internal import LMDB
package import Multiserver
internal import TypedSodium

extension Keyring {
    /// What a blinded address means, yesterday, today or tomorrow; `nil` when the keyring knows nobody whose it is.
    ///
    /// Nothing is dialled. This is for one address: it looks at everybody where the target is hidden, so a node that resolves many uses a
    /// ``Resolver``. Only portals that the target's invite or grant named are considered.
    package func resolve(_ address: BlindedAddress, now: UInt64) throws(KeyringError) -> Resolution? {
        let days = Epoch(unixSeconds: now).window
        return try store.readSecrets { (transaction, vaultKey) throws(KeyringError) -> Resolution? in
            switch address {
            case .hmac1(let value, let target):
                guard let known = try transaction.reachable(target.key, owner: owner) else { return nil }
                return known.portal(of: Hmac1Value(value))
            case .circle1(let value, let target):
                guard let known = try transaction.reachable(target.key, owner: owner) else { return nil }
                return try known.portal(days, vaultKey) {
                    $0.value(target: $1, portal: $2) == CircleValue(value)
                }
            case .sealed(let value):
                var found: Resolution?
                try transaction.forEachReachable(owner: owner) { (known) throws(KeyringError) in
                    found = try known.portal(days, vaultKey) {
                        $0.sealedValue(target: $1, portal: $2) == CircleValue(value)
                    }
                    return found == nil ? .next : .stop
                }
                return found
            }
        }
    }
}

extension ReachableCircle {
    /// The portal that an `hmac1` value hides.
    fileprivate func portal(of value: Hmac1Value) -> Resolution? {
        portals.first { value.matches(target: target, portal: $0.key) }
            .map { Resolution(target: target, portal: $0) }
    }

    /// The portal that a value of a day hides, shown or sealed.
    fileprivate func portal(
        _ days: [Epoch], _ vaultKey: borrowing SecretKey,
        isMeant: (borrowing CircleAddressing, EndpointKey, PortalKey) -> Bool
    ) throws(KeyringError) -> Resolution? {
        var found: Resolution?
        try forEachDay(of: days, vaultKey) { addressing in
            let portal = portals.first { isMeant(addressing, target, $0.key) }
            found = portal.map { Resolution(target: target, portal: $0) }
            return found == nil ? .next : .stop
        }
        return found
    }
}
