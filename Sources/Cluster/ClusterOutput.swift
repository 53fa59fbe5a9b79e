package import TypedSodium

/// What the owner of a ``ClusterMachine`` has to do.
package enum ClusterOutput: Equatable, Sendable {
    /// Seal a message and publish it on NATS.
    case publish(ClusterEnvelope, ClusterSubject)
    /// Seal a message and send it on the control link to a machine.
    case send(ClusterEnvelope, MachineID)
    /// Dial the control link to a machine.
    case dial(MachineID, address: String)
    /// End all links with a machine: it is gone.
    case hangUp(MachineID)
    /// Look for tokens in the portal's directory, and call ``ClusterMachine/answer(_:found:at:)``.
    case consult(Consultation)
    /// Try this candidate, then call ``ClusterMachine/failed(_:_:at:)`` or ``ClusterMachine/endLookUp(_:)``.
    case reach(LookUpID, Candidate)
    /// A look-up is over: nobody has the target.
    case missed(LookUpID)
    /// A look-up is over: the target is somewhere to which there is no link.
    case unreachable(LookUpID)
    /// A key is announced elsewhere.
    case yield(PublicKey, Yielding)
    /// Ask these to go elsewhere: this machine ends.
    case move([PublicKey])
    /// What lists show has changed.
    case listChanged(joined: Set<PublicKey>, left: Set<PublicKey>)
    /// Another machine serves these in nothing, though the log does not say so yet: so must this one.
    case denied([UrgentDenial], by: MachineID)
    /// Something that a log may tell.
    case event(ClusterEvent)
}

/// What becomes of an announcement for which another machine has a better one.
package enum Yielding: Equatable, Sendable {
    /// End its connection with `announced elsewhere`.
    case announcedElsewhere
    /// Forget it silently: it was a mere subscription.
    case unannounced
    /// It is hidden: answer for its tokens no more, ping it, and end its connection after a second without an answer.
    case silenced
    /// It was asked to move, and has; leave its connection alone.
    case moved

    init(_ claim: Claim, isDraining: Bool) {
        self =
            isDraining
            ? .moved
            : claim.manner.contains(.hidden)
                ? .silenced : claim.manner.contains(.explicit) ? .announcedElsewhere : .unannounced
    }
}

/// Tokens that another machine looks for.
package struct Consultation: Equatable, Sendable {
    /// Who asks.
    package let asker: MachineID
    /// What was asked.
    package let question: Question
    /// The way that it came.
    package let path: ClusterPath

    /// A question of another machine.
    package init(asker: MachineID, question: Question, path: ClusterPath) {
        self.asker = asker
        self.question = question
        self.path = path
    }

    /// What to look for among tokens, by its index in the question: of every target something, so that a miss of one takes
    /// as long as of another.
    ///
    /// For an id that is a token of zeros, of which what is found counts for nothing.
    package var tokens: [(index: Int, token: FixedBytes<32>, key: PublicKey?)] {
        question.targets.enumerated().map { index, target in
            guard case .token(let token, let key) = target else { return (index, FixedBytes(), nil) }
            return (index, token, key)
        }
    }
}

/// What happens among machines, for a log.
package enum ClusterEvent: Equatable, Sendable {
    /// A machine counts from now on.
    case joined(MachineID, address: String)
    /// Nothing is heard of a machine.
    case suspect(MachineID)
    /// A suspect is heard again.
    case recovered(MachineID)
    /// A machine is gone, with all that it announced.
    case gone(MachineID)
    /// A machine's clock is not ours, by so many milliseconds.
    case clocksApart(MachineID, milliseconds: Int64)
    /// This machine knows all others, and serves.
    case serving
    /// This machine's clock is not the others': it does not serve.
    case notServing
}

/// What was dropped, by reason, and what came.
package struct ClusterCounts: Equatable, Sendable {
    /// Messages that were taken.
    package var taken = 0
    /// Messages whose number had come before.
    package var repeated = 0
    /// Messages with a time too far before ours.
    package var stale = 0
    /// Messages with a time too far ahead of ours.
    package var ahead = 0
    /// Messages of machines that do not count.
    package var strange = 0
    /// Lists that were asked for too often.
    package var hasty = 0
    /// Look-ups that had no place.
    package var refused = 0
    /// Claims that gave way to a better one.
    package var yielded = 0
    /// Lists that were fetched.
    package var fetched = 0

    /// Nothing yet.
    package init() {}
}

/// Another machine, for people.
package struct MachineStatus: Equatable, Sendable {
    /// Which one.
    package let machine: MachineID
    /// What it last said.
    package let heartbeat: Heartbeat
    /// Whether it counts.
    package let isCounted: Bool
    /// Whether nothing is heard of it.
    package let isSuspect: Bool
    /// Whether its control link stands.
    package let isLinked: Bool

    init(_ peer: Peer) {
        machine = peer.machine
        heartbeat = peer.heartbeat
        isCounted = peer.isCounted
        isSuspect = peer.standing == .suspect
        isLinked = peer.isLinked
    }
}
