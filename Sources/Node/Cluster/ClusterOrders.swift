internal import Cluster
internal import NIOCore
internal import PortalCore
internal import Synchronization
internal import Transport
internal import TypedSodium

/// Does what a machine orders: with the portal, with NATS, and with the links to other machines.
///
/// Nothing here waits. What comes of an order later is told to the machine as an input.
struct ClusterOrders: Sendable {
    /// So long a session to another machine may take to be made.
    private static let sessionTime = TimeAmount.seconds(3)

    let neighbourhood: Neighbourhood
    let links: any MachineLinks
    let engine: ClusterEngine?
    let policy: (any ClusterPolicy)?
    let post: ClusterPost
    /// Tells the machine something.
    let add: @Sendable (ClusterInput) -> Void
    /// Told what happens among machines.
    let report: @Sendable (ClusterEvent) -> Void

    /// Does everything that the machine orders, until it orders nothing more.
    func perform(_ driver: inout ClusterDriver, at now: NIODeadline) {
        while true {
            let outputs = driver.machine.takeOutputs()
            guard !outputs.isEmpty else { break }
            for output in outputs { perform(output, &driver, at: now) }
        }
        for peer in driver.takeRestored() { neighbourhood.unsilence(peer) }
    }

    private func perform(_ output: ClusterOutput, _ driver: inout ClusterDriver, at now: NIODeadline) {
        switch output {
        case .publish(let envelope, let subject):
            if case .question(let question) = envelope.message { driver.asked(question, at: now) }
            engine?.publish(post.seal(envelope, to: subject), to: post.name(of: subject))
        case .send(let envelope, let other):
            links.send(post.seal(envelope, to: .link(to: other)), to: other)
        case .dial(let other, let address): links.dial(other, at: address)
        case .hangUp(let other): links.hangUp(other)
        case .consult(let consultation):
            driver.machine.answer(consultation, found: found(consultation), at: now)
        case .reach(let id, let candidate): reach(id, candidate, &driver)
        case .missed(let id): driver.over(id, .missed)
        case .unreachable(let id): driver.over(id, .unreachable)
        case .yield(let peer, let yielding): yield(peer, yielding, &driver)
        case .move(let peers): neighbourhood.move(peers)
        case .listChanged(let joined, let left):
            neighbourhood.listChanged(joined: joined, left: left)
            if driver.noteLength() { neighbourhood.listBecame(tooLong: driver.isTooLong) }
        case .denied(let denials, by: _): policy?.heard(denials)
        case .event(let event):
            driver.follow(event)
            report(event)
        }
    }

    /// For each target of a question the keys that have proved to announce it here.
    private func found(_ consultation: Consultation) -> [[PublicKey]] {
        let tokens = consultation.tokens
        let announcers = neighbourhood.announcers(of: tokens.map { ($0.token, $0.key) })
        var found = Array(repeating: [PublicKey](), count: consultation.question.targets.count)
        for (token, keys) in zip(tokens, announcers) { found[token.index] = keys }
        return found
    }

    private func yield(_ peer: PublicKey, _ yielding: Yielding, _ driver: inout ClusterDriver) {
        switch yielding {
        case .announcedElsewhere:
            neighbourhood.yield(peer, .announcedElsewhere, since: driver.toldCount)
        case .unannounced: neighbourhood.yield(peer, .unannounced, since: driver.toldCount)
        case .silenced:
            driver.silenced(peer)
            neighbourhood.yield(peer, .silenced, since: driver.toldCount)
        case .moved: break
        }
    }

    /// Has a session to a candidate's machine made, and tells who asks, or the machine, what came of it.
    private func reach(_ id: LookUpID, _ candidate: Candidate, _ driver: inout ClusterDriver) {
        guard let (number, asker) = driver.trying(id) else { return }
        guard let address = driver.neighbours[candidate.machine]?.address else {
            return add(.failed(number, .noLink))
        }
        // Told once: by the session, or by the time.
        let (once, add) = (Once(), add)
        let timer = asker.loop.scheduleTask(in: Self.sessionTime) {
            if once.take() { add(.failed(number, .noLink)) }
        }
        links.session(to: candidate.machine, at: address, on: asker.loop).whenComplete { result in
            timer.cancel()
            guard once.take() else { return }
            guard case .success(let link?) = result else { return add(.failed(number, .noLink)) }
            asker.take(.reach(link: link, endpoint: candidate.key))
        }
    }
}

/// Seals and opens what goes to subjects and comes from them.
final class ClusterPost: Sendable {
    private let seal: ClusterSeal

    init(_ seal: consuming ClusterSeal) { self.seal = seal }

    func name(of subject: ClusterSubject) -> String { subject.name(under: seal.subject) }

    /// The bytes of a message, under a fresh nonce.
    func seal(_ envelope: ClusterEnvelope, to subject: ClusterSubject) -> [UInt8] {
        var nonce = Nonce()
        for index in nonce.storage.indices { nonce.storage[index] = .random(in: .min ... .max) }
        return seal.seal(envelope, to: subject, nonce: nonce)
    }

    func open(_ bytes: [UInt8], from subject: ClusterSubject) -> Result<ClusterEnvelope, ClusterError> {
        do throws(ClusterError) {
            return .success(try seal.open(bytes, from: subject))
        } catch {
            return .failure(error)
        }
    }
}

/// Something of which the first to come is told.
private final class Once: Sendable {
    private let isTaken = Atomic(false)

    /// Whether this is the first.
    func take() -> Bool { !isTaken.exchange(true, ordering: .relaxed) }
}
