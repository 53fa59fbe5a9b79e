package import NIOCore
package import TypedSodium

/// One portal process among those that serve one portal: who is there, who holds which key, where a target is found.
///
/// A machine without input or output. The owner hands it messages that were opened, changes of the portal's own
/// directory, and the time; after each call it does what ``takeOutputs()`` says, and calls ``timePassed(at:)`` at
/// ``deadline``.
///
/// ### Invariants
/// - Nothing is done on the word of a machine that has not answered a query of ours.
/// - No message, in whatever order, number or form, traps; each is taken or counted.
package struct ClusterMachine: Sendable {
    private static let roundTime = TimeAmount.milliseconds(100)
    /// Being called so much later than asked means that this process stood still.
    private static let stallTime = TimeAmount.milliseconds(500)

    /// Which machine this is.
    package let machine: MachineID

    private var own: OwnState
    private var clock: HybridClock
    private var joining: Joining
    private var membership = Membership()
    private var lists = ListDesk()
    private var book: ClaimBook
    private var lookUps = LookUps()
    private var drain: Drain?
    private var denials = DenialPulse()
    private var outbox: Outbox
    private var pulse: Pulse
    private var roundAt: NIODeadline

    /// What came, and what was dropped.
    package private(set) var counts = ClusterCounts()

    /// A machine that starts; it has neither NATS nor links.
    package init(_ settings: MachineSettings, at now: NIODeadline) {
        machine = settings.machine
        clock = HybridClock(wallMilliseconds: settings.wallMilliseconds, at: now)
        own = OwnState(settings, startedAt: clock.tick(at: now))
        joining = Joining(at: now)
        book = ClaimBook(machine: settings.machine)
        outbox = Outbox(machine: settings.machine)
        pulse = Pulse(of: settings.machine, at: now)
        roundAt = now + Self.roundTime
    }

    // MARK: Queries

    /// Whether all is known that has to be to serve.
    package var isServing: Bool { own.isServing }
    /// Whether endpoints are told to go elsewhere.
    package var isDraining: Bool { drain != nil }
    /// How many look-ups are under way.
    package var lookUpCount: Int { lookUps.count }
    /// The machines that are known, in order.
    package var machines: [MachineStatus] {
        membership.all.compactMap { membership[$0].map(MachineStatus.init) }
    }
    /// Whether the machines together have more open ids than lists show.
    package var isTooLongToList: Bool { book.union.count > Catalogue.limit || membership.hasOverfull }
    /// The open ids of all machines, in no order; `nil` where they are too many to list.
    package var listedKeys: [PublicKey]? { isTooLongToList ? nil : book.union.keys }
    /// What is announced here, hidden or open.
    package var ownClaims: [PublicKey: Claim] { book.own.claims }
    /// When ``timePassed(at:)`` is to be called.
    package var deadline: NIODeadline {
        let optional = [book.own.flushAt, lookUps.deadline, drain?.nextAt]
        return optional.reduce(min(pulse.nextAt, roundAt)) { least, deadline in
            deadline.map { min(least, $0) } ?? least
        }
    }

    /// What is to be done, in order, once.
    package mutating func takeOutputs() -> [ClusterOutput] {
        let changes = book.takeChanges()
        if !changes.isEmpty {
            outbox.add(.listChanged(joined: changes.joined, left: changes.left))
        }
        return outbox.take()
    }

    // MARK: What others are told

    /// What this machine has to do, and what its wall clock shows.
    package mutating func report(_ load: MachineLoad, wallMilliseconds: UInt64) {
        own.load = load
        own.wallMilliseconds = wallMilliseconds
    }

    /// How far this machine's log of policy has come; others hear of it within a tenth of a second.
    package mutating func report(_ policy: PolicyMark) {
        if policy != own.policy { pulse.hurry(at: min(pulse.nextAt, roundAt)) }
        own.policy = policy
    }

    /// All machines are told of these, until they are reported no more: the log says it then.
    package mutating func report(_ denials: [UrgentDenial], at now: NIODeadline) {
        self.denials.replace(denials, at: now)
    }

    // MARK: Time

    /// The time has passed.
    package mutating func timePassed(at now: NIODeadline) {
        let lateness = now - deadline
        if lateness >= Self.stallTime { membership.forgive(lateness, at: now) }
        if pulse.beats(at: now) {
            tellAll(.heartbeat(own.heartbeat(book.own)), overEveryLink: true, at: now)
        }
        for message in book.flush(at: now) { tellAll(message, at: now) }
        take(lookUps.timePassed(awaiting: membership.awaited, at: now), at: now)
        let moving = drain?.takeDue(at: now).filter { book.own[$0] != nil } ?? []
        if !moving.isEmpty { outbox.add(.move(moving)) }
        guard roundAt <= now else { return }
        roundAt = now + Self.roundTime
        for machine in membership.all { watch(machine, at: now) }
        for machine in membership.succeeded { bury(machine, at: now) }
        if let message = denials.takeDue(at: now) { tellAll(message, overEveryLink: true, at: now) }
        fetchLists(at: now)
        if let event = joining.step(among: membership, at: now) {
            own.isServing = joining.isServing
            outbox.add(.event(event))
            pulse.hurry(at: now)
        }
    }

    /// Looks after another machine: whether it is silent, gone, or to be dialled.
    private mutating func watch(_ other: MachineID, at now: NIODeadline) {
        guard var peer = membership[other] else { return }
        let isSilent = peer.isSilent(at: now)
        if peer.dials(from: machine, at: now) {
            outbox.add(.dial(other, address: peer.heartbeat.address))
        }
        membership[other] = peer
        if isSilent {
            outbox.add(.event(.suspect(other)))
            take(lookUps.stopAwaiting(other, at: now), at: now)
        }
        if peer.isGone(at: now) { bury(other, at: now) }
    }

    /// Forgets a machine that is gone.
    private mutating func bury(_ other: MachineID, at now: NIODeadline) {
        guard let peer = membership.remove(other), peer.isCounted else { return }
        book.forget(peer.catalogue, of: other, at: now)
        outbox.add(.hangUp(other))
        outbox.add(.event(.gone(other)))
        take(lookUps.stopAwaiting(other, at: now), at: now)
    }

    // MARK: NATS and links

    /// NATS is there, or not.
    package mutating func engineChanged(isUp: Bool, at now: NIODeadline) {
        own.hasEngine = isUp
        // Others have to know at once which way to take.
        pulse.hurry(at: now)
    }

    /// The control link to a machine stands, or does not.
    package mutating func linkChanged(to machine: MachineID, isUp: Bool, at now: NIODeadline) {
        membership[machine]?.linkChanged(isUp: isUp, at: now)
        if isUp, membership[machine] != nil {
            outbox.send(.heartbeat(own.heartbeat(book.own)), to: machine, at: clock.reading(at: now))
            if let said = denials.said { outbox.send(said, to: machine, at: clock.reading(at: now)) }
        }
    }

    /// Something came on the control link to a machine.
    package mutating func linkHeard(from machine: MachineID, at now: NIODeadline) {
        membership[machine]?.hearLink(at: now)
    }

    /// By NATS, and over the links of those whom that does not reach, or over all that there are.
    private mutating func tellAll(
        _ message: ClusterMessage, overEveryLink isEvery: Bool = false, at now: NIODeadline
    ) {
        let time = clock.reading(at: now)
        if own.hasEngine, let subject = message.commonSubject {
            outbox.publish(message, to: subject, at: time)
        }
        for machine in isEvery ? membership.all : membership.counted {
            guard let peer = membership[machine], peer.isLinked,
                isEvery || !own.hasEngine || !peer.hasEngine
            else { continue }
            outbox.send(message, to: machine, at: time)
        }
    }

    // MARK: Messages

    /// A message came, opened and whole.
    package mutating func receive(_ envelope: ClusterEnvelope, over path: ClusterPath, at now: NIODeadline) {
        let sender = envelope.sender
        guard sender != machine else { return }
        let reading = clock.reading(at: now)
        guard !ClockAgreement.disagrees(envelope.time, with: reading) else {
            return drop(envelope, with: reading, at: now)
        }
        if membership[sender] == nil {
            guard case .heartbeat(let heartbeat) = envelope.message,
                membership.meet(sender, heartbeat, since: own.startedAt, at: now)
            else {
                counts.strange += 1
                return
            }
        }
        guard membership[sender]?.takes(envelope.number, over: path) ?? false else {
            counts.repeated += 1
            return
        }
        if path == .link { membership[sender]?.hearLink(at: now) }
        counts.taken += 1
        handle(envelope, over: path, at: now)
        if membership[sender]?.isCounted ?? false { clock.merge(envelope.time) }
    }

    private mutating func drop(_ envelope: ClusterEnvelope, with own: HybridTime, at now: NIODeadline) {
        let difference = envelope.time.milliseconds(since: own)
        if difference < 0 { counts.stale += 1 } else { counts.ahead += 1 }
        if case .heartbeat = envelope.message, joining.note(envelope.sender, envelope.time, at: now) {
            outbox.add(.event(.clocksApart(envelope.sender, milliseconds: difference)))
        }
    }

    private mutating func handle(_ envelope: ClusterEnvelope, over path: ClusterPath, at now: NIODeadline) {
        let sender = envelope.sender
        switch envelope.message {
        case .heartbeat(let heartbeat):
            if membership[sender]?.hear(heartbeat, at: now) ?? false {
                outbox.add(.event(.recovered(sender)))
            }
            fetchLists(at: now)
        case .listQuery(let query): tell(query, to: sender, over: path, at: now)
        case .listPart(let part): take(part, from: sender, at: envelope.time, now)
        case .claims, .left, .question, .answer, .denials:
            guard membership[sender]?.isCounted ?? false else {
                counts.strange += 1
                return
            }
            switch envelope.message {
            case .question(let question):
                outbox.add(.consult(Consultation(asker: sender, question: question, path: path)))
            case .answer(let answer): take(lookUps.take(answer, from: sender, at: now), at: now)
            case .denials(let denials): outbox.add(.denied(denials.list, by: sender))
            default: takeBatch(envelope.message, from: sender, at: now)
            }
        }
    }

    // MARK: Claims

    /// A key is announced here; whether it is, because nobody elsewhere has more right to it.
    ///
    /// Called once for each announcement, not for a set of tokens that replaces another on one connection.
    package mutating func announce(_ key: PublicKey, _ manner: ClaimManner, at now: NIODeadline) -> Bool {
        let claim = Claim(key, clock.tick(at: now), manner)
        let isOutdone = !manner.contains(.explicit) && membership.isOutdone(claim, of: machine)
        guard !isOutdone else { return false }
        book.announce(claim, at: now)
        return true
    }

    /// A key is announced here no more.
    package mutating func leave(_ key: PublicKey, at now: NIODeadline) { book.leave(key, at: now) }

    private mutating func takeBatch(_ message: ClusterMessage, from sender: MachineID, at now: NIODeadline) {
        guard var peer = membership[sender] else { return }
        peer.fetch?.keep(message)
        let verdicts = book.take(message, from: sender, into: &peer.catalogue, at: now)
        membership[sender] = peer
        carryOut(verdicts, against: sender, at: now)
    }

    private mutating func carryOut(
        _ verdicts: [ClaimBook.Verdict], against other: MachineID, at now: NIODeadline
    ) {
        var insisted: [Claim] = []
        for verdict in verdicts {
            switch verdict {
            case .insist(let claim): insisted.append(claim)
            case .yield(let claim):
                counts.yielded += 1
                outbox.add(.yield(claim.key, Yielding(claim, isDraining: isDraining)))
            }
        }
        guard let peer = membership[other], let path = peer.path(hasEngine: own.hasEngine) else { return }
        for batch in ClaimBatch.repeated(insisted) {
            outbox.answer(.claims(batch), to: other, over: path, at: clock.reading(at: now))
        }
    }

    // MARK: Lists

    private mutating func fetchLists(at now: NIODeadline) {
        let orders = lists.orders(among: &membership, with: book, hasEngine: own.hasEngine, at: now)
        for order in orders {
            outbox.answer(
                .listQuery(order.query), to: order.machine, over: order.path, at: clock.reading(at: now))
        }
    }

    private mutating func tell(
        _ query: ListQuery, to asker: MachineID, over path: ClusterPath, at now: NIODeadline
    ) {
        guard ListDesk.mayTell(asker, among: &membership, at: now) else {
            counts.hasty += 1
            return
        }
        // What has not been told yet is told before the list.
        for message in book.flush(at: book.own.flushAt ?? now) { tellAll(message, at: now) }
        for part in book.own.list(for: query) {
            outbox.answer(.listPart(part), to: asker, over: path, at: clock.reading(at: now))
        }
    }

    private mutating func take(
        _ part: ListPart, from sender: MachineID, at time: HybridTime, _ now: NIODeadline
    ) {
        guard var peer = membership[sender], var fetch = peer.fetch else { return }
        let progress = fetch.take(part, at: now)
        guard progress != .foreign else { return }
        peer.fetch = progress == .complete ? nil : fetch
        var verdicts = book.judge(part.claims, of: sender, at: now)
        if progress == .complete {
            counts.fetched += 1
            verdicts += book.complete(fetch, at: time, from: sender, into: &peer.catalogue, at: now)
            if !peer.isCounted {
                peer.count()
                outbox.add(.event(.joined(sender, address: peer.heartbeat.address)))
            }
        }
        membership[sender] = peer
        carryOut(verdicts, against: sender, at: now)
        if progress == .complete { fetchLists(at: now) }
    }

    // MARK: Look-ups

    /// Looks on the other machines for a target that is not here; `nil` where the caller has too many look-ups.
    package mutating func lookUp(
        _ target: ClusterTarget, for caller: LookUpCaller, at now: NIODeadline
    ) -> LookUpID? {
        let id = lookUps.begin(target, for: caller, at: now)
        if id == nil { counts.refused += 1 }
        return id
    }

    /// A candidate was not reached.
    package mutating func failed(_ id: LookUpID, _ failure: ReachFailure, at now: NIODeadline) {
        take(lookUps.failed(id, failure, at: now), at: now)
    }

    /// A look-up is over: its target was reached, or its caller is gone.
    package mutating func endLookUp(_ id: LookUpID) { lookUps.end(id) }

    /// The directory has these announcers of the tokens of a question: for each target of it the keys that have proved
    /// to announce it here; those of what is no token count for nothing.
    package mutating func answer(
        _ consultation: Consultation, found: [[PublicKey]], at now: NIODeadline
    ) {
        let announcers = book.own.announcers(for: consultation.question, found: found)
        outbox.answer(
            .answer(Answer(to: consultation.question, announcers)), to: consultation.asker,
            over: consultation.path, at: clock.reading(at: now))
    }

    private mutating func take(_ steps: [LookUps.Step], at now: NIODeadline) {
        for step in steps {
            switch step {
            case .ask(let question): tellAll(.question(question), at: now)
            case .askOverLinks(let question, let machines):
                for machine in machines.sorted() where membership[machine]?.isLinked ?? false {
                    outbox.send(.question(question), to: machine, at: clock.reading(at: now))
                }
            case .reach(let id, let candidate): outbox.add(.reach(id, candidate))
            case .miss(let id): outbox.add(.missed(id))
            case .unreachable(let id): outbox.add(.unreachable(id))
            }
        }
    }

    // MARK: The end

    /// This machine ends after a time: it says so, and asks all that are announced here to go elsewhere.
    package mutating func startDrain(during time: TimeAmount, at now: NIODeadline) {
        guard drain == nil else { return }
        own.isDraining = true
        drain = Drain(book.own.claims.values.sorted { $0.time < $1.time }.map(\.key), during: time, at: now)
        pulse.hurry(at: now)
    }
}
