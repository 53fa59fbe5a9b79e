internal import Connection
package import Multiserver
package import MuxRPC
package import Transport
package import Tunnel

/// Why a peer cannot be reached, by the hop that failed, with what to do next.
package enum HopFailure: Error, Equatable, Sendable {
    /// Nothing answers at the portal's, or peer's, address.
    case unreachable(NetAddress, reason: String)
    /// An invite or a grant names an address of this machine or its link; it was not dialled.
    case localAddress(NetAddress, LocalAddressError)
    /// The outer handshake came to nothing; whether the other side had answered it.
    case outerHandshakeRefused(NetAddress, answered: Bool)
    /// The portal, or the way through it, ended before anything was asked of the target.
    case endedEarly(NetAddress)
    /// The portal lets its members call, and the key that it was shown is none.
    case callersAreMembers(NetAddress)
    /// The portal does not know the target; its words.
    case targetAbsent(String)
    /// Nothing at the portal answers to the token that this node and its friend have in common.
    case friendAbsent
    /// The target is at another machine of the portal, which the one that was asked cannot reach.
    case cutOff
    /// The portal or the target is at a limit, and stayed so while it was asked again; its words.
    case busy(String)
    /// Whoever would pay for the tunnel has had its volume of this month at the portal; the portal's words.
    case volumeUsedUp(String)
    /// The target turned us away, or is not who it should be.
    case innerHandshakeRefused
    /// The target has let us in before, and has said that it does so no more.
    case dismissed
    /// The target, or the portal on the way, fell silent during the inner handshake.
    case innerHandshakeTimedOut
    /// The target offers no service of that name to us.
    case serviceUnknown(String)
    /// The target offers the service, and nothing listens behind it.
    case serviceNotListening(String)
    /// The stream or connection broke after it stood.
    case connectionLost(String)

    /// Why dialling a portal or a peer came to nothing.
    package init(_ failure: DialFailure, at peer: PeerAddress) {
        switch failure {
        case .unreachable(let error): self = .unreachable(peer.net, reason: ErrorWords.text(of: error))
        case .localAddress(let refusal): self = .localAddress(peer.net, refusal)
        case .session(.refused(let answered)): self = .outerHandshakeRefused(peer.net, answered: answered)
        case .session(.wrongPeer): self = .outerHandshakeRefused(peer.net, answered: true)
        case .session(.timedOut):
            self = .unreachable(peer.net, reason: "it did not finish the handshake in time")
        case .session: self = .endedEarly(peer.net)
        }
    }

    /// Why a session inside a tunnel ended, or never stood.
    package init(_ failure: SessionFailure) {
        switch failure {
        case .targetNotThere(let words) where words.hasPrefix(ErrorText.volumeUsedUp):
            self = .volumeUsedUp(words)
        case .targetNotThere(ErrorText.notReachable): self = .cutOff
        case .targetNotThere(let words): self = BusyTime.isBusy(words) ? .busy(words) : .targetAbsent(words)
        case .refused, .wrongPeer: self = .innerHandshakeRefused
        case .timedOut: self = .innerHandshakeTimedOut
        case .dismissed: self = .dismissed
        case .lost: self = .connectionLost("the tunnel broke")
        case .cut(let words): self = .connectionLost("the portal has ended the tunnel (\(words))")
        case .overdrawn: self = .connectionLost("the other side made this node hold more than it may")
        case .forged: self = .connectionLost("the other side's bytes could not be opened")
        }
    }

    /// That a method was not called because the peer is at a limit; `nil` for another error of it.
    package init?(busy error: RemoteError) {
        guard BusyTime.isBusy(error.message) else { return nil }
        self = .busy(error.message)
    }

    /// Why an attempt to dial came to nothing.
    init(_ error: any Error) {
        switch error {
        case let failure as HopFailure: self = failure
        case let failure as SessionFailure: self.init(failure)
        default: self = .connectionLost(ErrorWords.text(of: error))
        }
    }

    /// Why no tunnel came to stand; nothing was asked of the target yet.
    init(settingUp error: any Error, through portal: PeerAddress) {
        switch error {
        case SessionFailure.lost, MuxRPCError.closed: self = .endedEarly(portal.net)
        default: self.init(error)
        }
    }

    /// Whether it may be a limit, of which the next try need not hear.
    var mayPass: Bool {
        switch self {
        case .busy, .endedEarly, .outerHandshakeRefused(_, answered: false): true
        default: false
        }
    }

    /// Whether it stays so until a person has done something about it, however often it is tried.
    var isFinal: Bool {
        switch self {
        case .localAddress, .outerHandshakeRefused(_, answered: true), .callersAreMembers,
            .innerHandshakeRefused, .dismissed, .serviceUnknown:
            true
        default: false
        }
    }

    /// Which of several failures is told: the furthest, and of two that were no hop the one that a word of the user mends.
    var weight: (Int, Int) {
        if case .localAddress = self { (progress, 1) } else { (progress, 0) }
    }

    /// Whether it is what the portal says of the target, which another of its machines would say too.
    var isPortalsWord: Bool {
        switch self {
        case .targetAbsent, .friendAbsent, .callersAreMembers: true
        default: false
        }
    }

    /// How many hops were passed before it failed: of several portals the furthest attempt tells most.
    var progress: Int {
        switch self {
        case .unreachable, .localAddress: 0
        case .outerHandshakeRefused, .callersAreMembers, .endedEarly: 1
        case .targetAbsent, .friendAbsent: 2
        case .busy, .volumeUsedUp, .cutOff: 3
        case .innerHandshakeTimedOut: 4
        case .innerHandshakeRefused, .dismissed: 5
        case .serviceUnknown, .serviceNotListening, .connectionLost: 6
        }
    }

    /// Why a stream ended in the middle.
    package init(_ failure: StreamFailure, of service: String) {
        switch failure {
        case .remote(ErrorText.unknownService): self = .serviceUnknown(service)
        case .remote(ErrorText.serviceNotListening): self = .serviceNotListening(service)
        case .remote(let words) where BusyTime.isBusy(words): self = .busy(words)
        case .remote(let words): self = .connectionLost("the other side ended the stream: \(words)")
        case .truncated: self = .connectionLost("the stream ended in the middle")
        case .local(let words): self = .connectionLost(words)
        case .credit: self = .connectionLost("the other side broke the rules of flow control")
        }
    }
}

extension HopFailure: CustomStringConvertible {
    /// The hop, the cause and the remedy, for people.
    package var description: String {
        switch self {
        case .unreachable(let address, let reason):
            "portal not reachable at \(address.hostAndPort) (\(reason)): check the address, and that it runs"
        case .localAddress(let address, let refusal):
            "an invite or a friend's node names a portal at \(address.hostAndPort), but \(refusal), which nobody but you "
                + "may name: ask for one that everybody reaches, or give --allow-local where this is right"
        case .outerHandshakeRefused(let address, answered: true):
            "\(address.hostAndPort) refused the handshake: it has another key than the address says, or does "
                + "not admit this one: check the address, or ask its operator; where members alone may call, "
                + "a member gives --identify"
        case .outerHandshakeRefused(let address, answered: false):
            "\(address.hostAndPort) ended the handshake at once: it may be at a limit, which passes, or no portal, or "
                + "on another network (see --network)"
        case .endedEarly(let address):
            "\(address.hostAndPort) ended the connection before it was of any use, which may be a limit: try again in a "
                + "moment"
        case .callersAreMembers(let address):
            "the portal \(address.hostAndPort) lets its members call, and nobody else: ask its operator to make "
                + "this node one, and give --identify"
        case .busy(let words):
            "the portal or the target stayed busy (\(words)), which may be a limit on what one address, friend or "
                + "invite has there at a time: try again in a moment"
        case .volumeUsedUp(let words):
            "the portal says: \(words): ask its operator for more, or go through another portal (--portal)"
        case .targetAbsent(let words):
            "the target is not at the portal (\(words)): check the id, and that its node runs and is announced"
        case .friendAbsent:
            "your friend's node is not at the portal now, or does not have you as a friend any more: "
                + "ask its owner whether it runs"
        case .cutOff:
            "the target is at another machine of the portal, to which the one that was asked has no connection: "
                + "try again in a moment"
        case .innerHandshakeRefused:
            "the target refused the inner handshake: ask its owner to allow the id that `cway id` prints here, and at "
                + "which instance"
        case .dismissed:
            "the owner has removed this node from their friends, and only a later invite lets it in again: ask for one"
        case .innerHandshakeTimedOut:
            "the target did not finish the inner handshake in time: try again, or restart its node"
        case .serviceUnknown(let name):
            "the target offers no service '\(name)' to you: ask its owner, or call service.list"
        case .serviceNotListening(let name):
            "the target offers '\(name)', and nothing listens behind it: ask its owner to start the service"
        case .connectionLost(let reason):
            "\(reason): what was transferred may be incomplete"
        }
    }
}
