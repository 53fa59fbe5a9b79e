internal import Blinding
internal import Invitation
internal import Multiserver
internal import TypedSodium

/// What the doctor says where a portal may serve its members alone: that it does, and whom to ask for what.
struct MemberAdvice: Sendable {
    /// Who looks.
    let identity: Identity
    /// As whom it looks; what was decided before anything was dialled.
    let outerKey: Caller.OuterKey

    /// As whom to look at a portal of this node, where it is known by its id if it announces openly.
    func outerKey(at portal: PortalAddress) -> Caller.OuterKey {
        portal.isOpen && outerKey == .pseudonym ? .real : outerKey
    }

    /// The finding, where it may be that a portal does not serve whom it was shown; `nil` for another failure.
    func finding(_ hop: String, _ failure: HopFailure, at portal: PublicKey, isOpen: Bool = false) -> Finding?
    {
        switch failure {
        case .callersAreMembers:
            return Finding(
                hop, .bad, outerKey == .fresh ? Self.words : Self.words + ", and this node is none",
                remedy: remedy(at: portal, isOpen: isOpen))
        case .outerHandshakeRefused(_, answered: true):
            let lack = outerKey == .fresh ? "admits its members alone" : "does not admit this node"
            return Finding(
                hop, .bad, "it refused the handshake: it has another key than its address says, or \(lack)",
                remedy: "check the address, or \(remedy(at: portal, isOpen: isOpen))")
        default:
            return nil
        }
    }

    /// The finding where a portal does not say whether this node is announced there.
    func unasked(_ hop: String, at portal: PortalAddress) -> Finding {
        Finding(
            hop, outerKey == .fresh ? .odd : .bad,
            outerKey == .fresh
                ? Self.words + ", so that a fresh key cannot ask for this node's announcement"
                : Self.words + ", and this node is none",
            remedy: remedy(at: portal.key.publicKey, isOpen: portal.isOpen))
    }

    /// What to do where this node is not announced, which may be because it is no member.
    func announcementRemedy(at portal: PortalAddress) -> String {
        "look at the log of `cway serve`; where members alone may announce, "
            + request(at: portal.key.publicKey, isOpen: portal.isOpen)
    }

    private static let words = "its members alone may call there"

    private func remedy(at portal: PublicKey, isOpen: Bool) -> String {
        let request = request(at: portal, isOpen: isOpen)
        guard outerKey == .fresh else { return request }
        return "give --identify; where that does not help, \(request)"
    }

    private func request(at portal: PublicKey, isOpen: Bool) -> String {
        let pseudonym = try? Pseudonym.identity(of: identity, at: PortalKey(portal)).publicKey
        let shown = isOpen || outerKey == .real ? identity.publicKey : pseudonym
        return "ask its operator to run `cway portal members add \(shown?.id ?? "@ID")`"
    }
}
