internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver

/// Whether this node's address of today can be written, and leads here; where a key does not tell today, it is replaced.
///
/// Every call may wait for the disk: use it through ``Blocking``.
struct AddressCheck: Sendable {
    private static let hop = "address"

    let keyring: Keyring
    let portals: [PortalAddress]

    /// What is found, and what was done about it.
    func findings(now: UInt64) throws -> [Finding] {
        var findings = try replaceLaterKeys(now: now)
        guard findings.allSatisfy({ $0.verdict != .bad }) else { return findings }
        let addressing = try keyring.circle.ownAddressing(at: Epoch(unixSeconds: now))
        for portal in portals where !portal.isOpen {
            let value = addressing.sealedValue(target: keyring.owner, portal: portal.key)
            let found = try keyring.circle.resolve(.sealed(value.bytes), now: now)
            guard found?.target != keyring.owner || found?.portal.key != portal.key else { continue }
            findings.append(
                Finding(
                    Self.hop, .bad, "the one of today does not lead to this node at \(portal.host)",
                    remedy: "run `cway keyring check`"))
        }
        if findings.isEmpty {
            findings.append(Finding(Self.hop, .good, "the one of today can be written, and resolved"))
        }
        return findings
    }

    private func replaceLaterKeys(now: UInt64) throws -> [Finding] {
        let later = try keyring.circle.laterKeys(now: now)
        guard !later.isEmpty else { return [] }
        let isDone = try keyring.circle.replaceLaterKeys(now: now)
        var findings: [Finding] = []
        if let epoch = later.own {
            let day = epoch.number - Epoch(unixSeconds: now).number
            let words =
                "the key of this node's addresses was \(day == 1 ? "a day" : "\(day) days") ahead of the clock"
            findings.append(finding(words, isDone, done: "published addresses changed: see `cway address`"))
        }
        for friend in later.friends {
            findings.append(
                finding(
                    "the key of \(friend.name)'s addresses was ahead of the clock", isDone,
                    done: "it is asked for at the next connect"))
        }
        return findings
    }

    private func finding(_ words: String, _ isDone: Bool, done: String) -> Finding {
        isDone
            ? Finding(Self.hop, .odd, words + ", and was replaced", remedy: done)
            : Finding(
                Self.hop, .bad, words + ", and no portal has confirmed the clock",
                remedy: "set the clock, and run `cway doctor` when a portal can be reached")
    }
}
