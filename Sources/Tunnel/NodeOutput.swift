internal import BoxStream
package import Multiserver
package import MuxRPC
package import NIOCore
internal import SecureSession
package import TypedSodium

/// One of the sessions on a node's connection: the outer one, or one inside a tunnel.
package struct SessionID: Hashable, Sendable {
    let rawValue: UInt64

    /// The session with the portal, or with the peer that was dialled directly.
    package static let outer = SessionID(rawValue: 0)
}

/// A call or a stream of one session.
package struct CallID: Hashable, Sendable {
    /// The session it belongs to.
    package let session: SessionID
    let number: RequestNumber
}

/// A stream of one session.
///
/// No two streams have the same key, though a peer may use a request number again: what a local end still says about
/// the old stream must not reach the other.
package struct StreamKey: Hashable, Sendable {
    /// The session it belongs to.
    package let session: SessionID
    let stream: StreamID
    let ordinal: UInt64
}

/// What a ``NodeConnection`` asks of, or tells, its owner.
package enum NodeOutput: Sendable {
    /// A session stands, with this peer.
    case established(SessionID, PublicKey)
    /// A session inside a tunnel is over; `nil` after a goodbye.
    case ended(SessionID, SessionFailure?)
    /// The answer to a call.
    case reply(CallID, Reply)
    /// A packet on a stream that was opened without credit.
    case item(StreamKey, BodyType, ByteBuffer)
    /// A stream without credit has ended, with the peer's message where it was an error.
    case itemsEnded(StreamKey, RemoteError?)
    /// The portal has taken this node's announcement.
    case announced
    /// The portal has refused it, or ended it later, and says why.
    case announcementEnded(RemoteError)
    /// The portal has taken the tokens of this announcement and of none before, or it has not, and says why.
    ///
    /// Earlier announcements that have not been answered have been replaced by this one and never will be.
    case tokensAnnounced(AnnouncementID, RemoteError?)
    /// Nothing was heard of the portal for so long that another way to it should be looked for beside this one.
    case fellSilent
    /// The portal asks this node to go to another of its machines.
    case moveAsked
    /// A peer asks what only the owner can answer: with `answer(_:with:)`.
    case asked(Question)
    /// The far side wants a service: connect it, then answer with `serviceConnected` or `refuseService`.
    ///
    /// What is paid for it is to be kept for as long as the socket stands.
    case connectService(StreamKey, ServiceName, friend: PublicKey, place: ServicePlace)
    /// Something happened on a stream with credit.
    case service(StreamKey, ServiceEvent)
    /// A caller's proof is to be looked at, elsewhere: then it goes back with ``NodeConnection/proved(_:at:)``.
    case prove(ProofWork)
    /// A proof was wrong, or that of somebody who is not let in: the causer's next ones come later.
    case wrongProof(HandshakeCauser)
    /// A session or a stream has to go for somebody who has less: its connection, which may be another one of this
    /// endpoint, is to be told, by ``NodeConnection/giveWay(_:at:)``.
    case giveWay(Displaced)
    /// Something for the log.
    case event(NodeEvent)
}

/// What happened on a stream with credit.
package enum ServiceEvent: Sendable {
    /// Bytes for the local end, which owes `drained` for them.
    case received(ByteBuffer)
    /// No more bytes will come; what came is all.
    case receivedEnd
    /// What was sent before is under way: the local end may give more.
    case wantsMore
    /// The stream is over. Without an error both sides had said all.
    case closed(StreamFailure?, sent: Int, received: Int)
}

/// Why a stream with credit ended before both sides had said all.
package enum StreamFailure: Error, Equatable, Sendable {
    /// The other side says so.
    case remote(String)
    /// It ended, or its session did, in the middle: what arrived is not all.
    case truncated
    /// The other side broke the rules of credit.
    case credit(CreditError)
    /// Our own end gave up; what the other side was told.
    case local(String)
}

/// Why a session ended otherwise than by goodbye, or never stood.
package enum SessionFailure: Error, Equatable, Sendable {
    /// The portal, or the target behind it, takes no call for that target; its words.
    case targetNotThere(String)
    /// The other side turned us away during the handshake; whether it had answered our hello before.
    ///
    /// One that has answered is on our network, and does not let this identity in.
    case refused(answered: Bool)
    /// What answered has another key than the one that was dialled, or speaks another network or protocol.
    case wrongPeer
    /// The handshake was not over in time, or the peer fell silent.
    case timedOut
    /// The connection, or the tunnel, ended without a goodbye.
    case lost
    /// The portal has cut the tunnel; its words.
    case cut(String)
    /// The other side's bytes could not be opened.
    case forged
    /// The other side does not let this identity in any more, and has said so before its goodbye.
    case dismissed
    /// The other side makes us hold more than it may: packets that do not come whole, or answers that it does not read.
    case overdrawn

    /// What a failed session means to its owner.
    init(_ error: SecureSessionError) {
        switch error {
        case .handshake: self = .wrongPeer
        case .refused(let answered): self = .refused(answered: answered)
        case .overAllowance: self = .overdrawn
        case .boxStream(.truncated): self = .lost
        case .boxStream: self = .forged
        }
    }
}

/// What happens on a node's connection that its owner may want to log.
package enum NodeEvent: Equatable, Sendable {
    /// A friend's tunnel to an instance stands.
    case accepted(PublicKey, instance: Int? = 0)
    /// The tunnel of an invite's holder stands.
    case invited(PublicKey)
    /// The session of a peer was closed, because the policy does not allow it at its instance any more.
    case dismissed(PublicKey, instance: Int? = 0)
    /// A peer proved its key and is none of those who are allowed at the instance that it has called; `nil` for what
    /// is no number of one.
    case refused(PublicKey, instance: Int? = 0)
    /// A peer proved its key, and was told that there is no place for another session of it.
    case turnedAway(PublicKey)
    /// An idle session of this peer was closed, because another one needed its place.
    case gaveWay(PublicKey)
    /// A stream of this peer was ended, or a session that held too much, because somebody has less of what is short.
    case displaced(PublicKey, for: ScarceResource)
    /// A tunnel was opened for us and no session came of it.
    case handshakeFailed(SessionFailure)
    /// A friend asked an instance for a service that is not offered there.
    case unknownService(String, PublicKey, instance: Int = 0)
}
