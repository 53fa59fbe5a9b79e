import Cluster
import NIOCore
import TestSupport
import TypedSodium

/// One machine whose others are played by the test, message by message.
final class SoleMachine {
    static let wall: UInt64 = 1_800_000_000_000
    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    var machine: ClusterMachine
    var now = SoleMachine.start
    /// What the machine asked for and was not looked at yet.
    var outputs: [ClusterOutput] = []
    private var numbers: [MachineID: UInt64] = [:]

    init(number: UInt64 = 100) {
        machine = ClusterMachine(
            MachineSettings(
                machine: MachineID(high: 0, low: number), address: "own.example.org:1",
                wallMilliseconds: Self.wall),
            at: now)
        machine.engineChanged(isUp: true, at: now)
    }

    /// The time that others' messages have.
    var time: HybridTime {
        HybridTime(milliseconds: Self.wall + UInt64((now - Self.start).nanoseconds / 1_000_000))
    }

    func announce(_ key: PublicKey, _ manner: ClaimManner) -> Bool { machine.announce(key, manner, at: now) }

    /// Begins a look-up, for a member unless told otherwise.
    func lookUp(_ target: ClusterTarget, for caller: LookUpCaller? = nil) -> LookUpID? {
        machine.lookUp(target, for: caller ?? .member(key(0)), at: now)
    }

    /// The question that the machine has asked.
    func takeQuestion() -> Question? {
        takeMessages().lazy.compactMap { message -> Question? in
            guard case .question(let question) = message else { return nil }
            return question
        }.first
    }

    func pass(_ time: TimeAmount) {
        let end = now + time
        while machine.deadline <= end {
            now = max(now, machine.deadline)
            machine.timePassed(at: now)
            outputs += machine.takeOutputs()
        }
        now = end
    }

    /// Another machine says something.
    func say(
        _ message: ClusterMessage, from other: MachineID, at time: HybridTime? = nil,
        over path: ClusterPath = .engine
    ) {
        numbers[other, default: 0] += 1
        let envelope = ClusterEnvelope(
            sender: other, number: numbers[other] ?? 0, time: time ?? self.time, message: message)
        receive(envelope, over: path)
    }

    func receive(_ envelope: ClusterEnvelope, over path: ClusterPath = .engine) {
        machine.receive(envelope, over: path, at: now)
        outputs += machine.takeOutputs()
    }

    /// What the machine has asked for since this was last called.
    func take() -> [ClusterOutput] {
        outputs += machine.takeOutputs()
        defer { outputs = [] }
        return outputs
    }

    /// The messages among it.
    func takeMessages() -> [ClusterMessage] {
        take().compactMap { output in
            switch output {
            case .publish(let envelope, _), .send(let envelope, _): envelope.message
            default: nil
            }
        }
    }

    static func heartbeat(
        address: String = "other.example.org:1", startedAt: HybridTime = HybridTime(milliseconds: wall),
        claimNumber: UInt64 = 0, claims: [Claim] = [],
        condition: Heartbeat.Condition = [.hasEngine, .serving]
    ) -> ClusterMessage {
        .heartbeat(
            Heartbeat(
                address: address, startedAt: startedAt, wallMilliseconds: wall, load: MachineLoad(),
                condition: condition, features: 0, claimNumber: claimNumber, openCount: UInt32(claims.count),
                openHash: ClaimSetHash(claims), policy: PolicyMark()))
    }

    /// Another machine comes, and answers with its list.
    func meet(_ other: MachineID, claimNumber: UInt64 = 0, claims: [Claim] = []) {
        say(
            Self.heartbeat(
                address: "\(other.text).example.org:1", claimNumber: claimNumber,
                claims: claims.filter { !$0.manner.contains(.hidden) }), from: other)
        answerList(of: other, claimNumber: claimNumber, claims: claims)
    }

    /// Answers the query for a list that is out.
    func answerList(of other: MachineID, claimNumber: UInt64 = 0, claims: [Claim] = []) {
        pass(.milliseconds(600))
        let nonces = takeMessages().compactMap { message -> UInt64? in
            guard case .listQuery(let query) = message else { return nil }
            return query.nonce
        }
        for nonce in nonces {
            for part in ListPart.parts(of: claims, answering: nonce, at: claimNumber, isOverfull: false) {
                say(.listPart(part), from: other)
            }
        }
    }

    func key(_ byte: UInt8) -> PublicKey {
        var bytes = FixedBytes<32>()
        bytes.storage[0] = byte
        return PublicKey(bytes)
    }
}
