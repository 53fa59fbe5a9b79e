/// The words of errors that peers send each other, by which the other side tells them apart: those of portals first, then
/// those of nodes.
package enum ErrorText {
    // MARK: Of a portal

    /// To a connection whose announcement has been replaced; the endpoint on it must not just dial again.
    package static let announcedElsewhere =
        "announced elsewhere: this identity has announced itself from another connection"

    /// To an announcement of somebody who is no member, where members announce.
    package static let membersAnnounce = "this portal lets its members announce, and this key is none"

    /// To a call, or a request for a list, of somebody who is no member, where members call.
    package static let membersCall = "this portal connects its members, and this key is none"

    /// To everything that is open on a connection which the portal's owner does not want any more.
    package static let notAdmitted = "this portal does not admit this key"

    /// To every call on a connection for which there is no place, because its address has as many as it may.
    package static let tooManyConnections = "busy: too many connections from your address"

    /// To one end of a tunnel when the connection of the other one is over.
    package static let otherSideIsGone = "the other side of the tunnel is gone"

    /// To everything that is open when the portal stops.
    package static let portalIsClosing = "the portal is closing"

    /// To an invite's holder where nobody can redeem it.
    package static let noInvites = "this portal has no invites"
    /// To an invite's holder that asks again before it was answered.
    package static let oneInviteUse = "invite.use: one at a time"
    /// To a connection that has as many lists as it may.
    package static let tooManySubscriptions = "too many subscriptions"
    /// To a connection that has as many streams of `gossip.ping` as it may.
    package static let tooManyPings = "too many pings"
    /// To a subscriber whose list no packet can carry.
    package static let listIsTooLong = "the list is too long"
    /// To a subscriber where the machines of a portal have more ids than lists show.
    package static let tooManyToList = "too many to list"

    // MARK: About announcements

    /// The arguments ask for something between open and hidden.
    package static let invalidAnnouncement = "announce: invalid arguments"
    /// A token in the list is none.
    package static let malformedToken = "announce: malformed token"
    /// A token is in the list twice.
    package static let repeatedToken = "announce: repeated token"
    /// More tokens than there is room for.
    package static let tooManyTokens = "too many tokens"
    /// The announcement has changed less than a second ago.
    package static let announcedTooOften = "announced too often: once per second at most"

    // MARK: About tunnels; the first four are go-ssb-room's and ssb-tunnel's

    /// Not exactly one object, or no target in it.
    package static let invalidConnect = "connect: invalid arguments"
    /// The client means another portal.
    package static let wrongPortal = "talking to the wrong room"
    /// The client asks for itself.
    package static let connectToSelf = "can't connect to self"
    /// The connection has as many tunnels as it may.
    package static let tooManyTunnels = "too many tunnels"
    /// The target has no place for the tunnel, or the portal no memory.
    package static let noPlaceForTunnel = "busy"

    /// The target is announced at another machine of the portal, which the one that was asked does not reach: another
    /// address of the portal may lead to one that does.
    package static let notReachable = "not reachable from here"
    /// A client has sent more than is kept before its target was found.
    package static let tooMuchAhead = "too much was sent before the target was found"

    /// How the words of a portal begin that cuts a tunnel.
    package static let cutPrefix = "tunnel cut: "
    /// One end does not read while the other keeps sending.
    package static let cutStuck = "tunnel cut: one side does not read"
    /// One end read so slowly that other tunnels of the other end had to wait.
    package static let cutSlow = "tunnel cut: one side reads too slowly, and others wait"
    /// Another caller has the tunnel's place.
    package static let cutForPlace = "tunnel cut: busy"
    /// The tunnel held most of the portal's memory in the name of whoever holds most.
    package static let cutForMemory = "tunnel cut: the portal's memory is full"

    /// The volume of whoever pays for the tunnel is used up for this month.
    package static let cutForVolume = "tunnel cut: this month's volume is used up"
    /// More came over a link between two machines of the portal than was granted.
    package static let cutOverrun = "tunnel cut: more was sent between machines than was granted"
    /// How what a caller hears begins where the volume is used up of whoever would pay for the tunnel.
    package static let volumeUsedUp = "volume used up: "
    /// The same with the day on which there are tunnels again.
    package static func volumeUsedUp(until day: String) -> String {
        volumeUsedUp + "the portal passes nothing more of this member, or address, before \(day) (UTC)"
    }

    // MARK: Of a node

    /// No service of that name is offered to this friend.
    package static let unknownService = "no such service"
    /// The service is offered, and nothing listens at its address.
    package static let serviceNotListening = "service not listening"
    /// The rules of credit were broken.
    package static let credit = "credit"
    /// The friend has as many streams as it may, over all its sessions.
    package static let tooManyStreams = "too many streams"
    /// There is no socket left for this friend's share; what it closes makes room.
    package static let tooManySockets = "busy: too many sockets of services at once"
    /// More waits for this friend than there is room for: the stream with most of it ends.
    package static let heldTooMuch = "busy: too much waits for services that do not read"
    /// Somebody who has fewer streams needs the place of this one, which was not used for longest.
    package static let gaveWay = "busy: gave way to somebody with fewer streams"
    /// The caller of a bare `echo` sends more than it reads.
    package static let echoUnread = "echo: read what you have"

    /// The session has as many unanswered questions to this node's owner as it may.
    package static let tooManyQuestions = "busy: too many questions at once"
    /// The arguments of `invite.use` are not those.
    package static let invalidInviteUse = "invite.use: invalid arguments"
    /// The signature that came with `invite.use` is not the feed's, over this endpoint, this invite and itself.
    package static let badSignature = "bad signature"

    /// A method that is not offered to this peer, in the words of those that no manifest has.
    package static func noSuchMethod(_ name: [String]) -> String {
        "method:\(cut(name.joined(separator: ","))) is not in list of allowed methods"
    }

    /// An answer of ours that no packet can carry.
    package static let unsendable = "the answer cannot be sent"

    /// Too many inner handshakes are unfinished; the next try may find a place.
    package static let busy = "busy: too many handshakes at once"

    /// What a peer hears inside, to every call, whose proof is right and for which there is no place.
    package static let tooManySessions = "busy: too many sessions at once"

    /// A tunnel is not opened; the same words whatever the reason.
    package static func couldNotConnect(to target: String) -> String {
        "could not connect to:\(cut(target))"
    }

    // MARK: Words of the peer

    /// How much of a peer's own text is echoed, in bytes; an id has 53.
    package static let echoedByteLimit = 128

    /// The text up to the limit, cut between two characters.
    package static func cut(_ text: String) -> String {
        guard text.utf8.count > echoedByteLimit else { return text }
        var end = text.utf8.index(text.startIndex, offsetBy: echoedByteLimit)
        while end.samePosition(in: text.unicodeScalars) == nil { text.utf8.formIndex(before: &end) }
        return String(text[..<end])
    }
}
