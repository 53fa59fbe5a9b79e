package import Connection
package import TypedSodium

/// Who may do what at a portal: data, which its owner replaces while the portal runs.
///
/// Keys are those that an outer handshake shows, so a hidden endpoint is a member under its pseudonym.
package struct PortalPolicy: Equatable, Sendable {
    /// To whom something is open.
    package enum Who: Equatable, Sendable {
        /// To all that are not denied.
        case everyone
        /// To members that are not denied.
        case members
    }

    /// What a key is to the portal.
    package enum Standing: Equatable, Sendable {
        /// It may not connect; this goes before everything else.
        case denied
        /// It belongs to the portal.
        case member
        /// It is an invite's: it may redeem that, and nothing else, whatever is open to everyone.
        case invited
        /// It is somebody's.
        case stranger
    }

    /// Who may announce.
    package var announcers: Who
    /// Who may connect to what is announced, and see the lists.
    package var callers: Who
    /// The members.
    package var members: Set<PublicKey>
    /// Who may not connect, members and invites included.
    package var denied: Set<PublicKey>
    /// Keys of invites; one that is used up or revoked may stay for a while, so that its holder can be told.
    package var invites: Set<PublicKey>

    /// A policy; without arguments the portal is open to everyone.
    package init(
        announcers: Who = .everyone, callers: Who = .everyone, members: Set<PublicKey> = [],
        denied: Set<PublicKey> = [], invites: Set<PublicKey> = []
    ) {
        self.announcers = announcers
        self.callers = callers
        self.members = members
        self.denied = denied
        self.invites = invites
    }

    /// What a key is to the portal.
    package func standing(of peer: PublicKey) -> Standing {
        if denied.contains(peer) { return .denied }
        if members.contains(peer) { return .member }
        return invites.contains(peer) ? .invited : .stranger
    }

    /// Whether a peer may connect: where it may neither announce nor call it has no business here.
    package func admits(_ peer: PublicKey) -> Bool {
        switch standing(of: peer) {
        case .denied: false
        case .member, .invited: true
        case .stranger: announcers == .everyone || callers == .everyone
        }
    }

    /// Whether a peer may announce.
    package func letsAnnounce(_ peer: PublicKey) -> Bool { isOpen(announcers, to: peer) }

    /// Whether a peer may connect to others and see the lists.
    package func letsCall(_ peer: PublicKey) -> Bool { isOpen(callers, to: peer) }

    /// Whether a peer may use a method at all; whom it may reach with it is another matter.
    package func allows(_ method: Method, to peer: PublicKey) -> Bool {
        PortalMethods.isOpen(method, to: standing(of: peer))
    }

    private func isOpen(_ door: Who, to peer: PublicKey) -> Bool {
        switch standing(of: peer) {
        case .denied, .invited: false
        case .member: true
        case .stranger: door == .everyone
        }
    }
}
