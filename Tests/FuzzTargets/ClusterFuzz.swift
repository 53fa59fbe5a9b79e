internal import Cluster
internal import NIOCore
internal import TypedSodium

/// A machine of a cluster, to which others that hold the right keys say anything at any time.
enum ClusterFuzz {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)
    private static let wall: UInt64 = 1_800_000_000_000

    /// The first byte says whether what follows is one message, or what several machines say in turn.
    static func run(_ input: inout FuzzInput) {
        if input.byte() == 0 {
            decode(input.rest())
        } else {
            talk(&input)
        }
    }

    /// What is read is written as it came; only the bits of a heartbeat that nobody knows are not repeated.
    private static func decode(_ bytes: [UInt8]) {
        guard let envelope = try? ClusterEnvelope(decoding: bytes) else { return }
        precondition(envelope.byteCount == bytes.count, "a message is as long as it says")
        if case .heartbeat = envelope.message { return }
        precondition(envelope.encoded() == bytes, "a message has one spelling")
    }

    private static func talk(_ input: inout FuzzInput) {
        var now = start
        var machine = ClusterMachine(
            MachineSettings(machine: id(200), address: "own:1", wallMilliseconds: wall), at: now)
        machine.engineChanged(isUp: true, at: now)
        var (queries, lookUps, number): ([UInt64], [LookUpID], UInt64) = ([], [], 0)
        for _ in 0..<64 where !input.isEmpty {
            number += 1
            let sender = id(UInt64(input.choice(4)))
            let path: ClusterPath = input.choice(4) == 0 ? .link : .engine
            let elapsed = UInt64((now - start).nanoseconds / 1_000_000)
            let time = HybridTime(milliseconds: wall + elapsed + UInt64(input.choice(3)))
            switch input.choice(10) {
            case 0: now = now + .milliseconds(Int64(input.number() % 4_000))
            case 1: machine.linkChanged(to: sender, isUp: input.choice(2) == 0, at: now)
            case 2: machine.engineChanged(isUp: input.choice(2) == 0, at: now)
            case 3: _ = machine.announce(key(&input), ClaimManner(rawValue: UInt8(input.choice(4))), at: now)
            case 4: machine.leave(key(&input), at: now)
            case 5:
                if let id = machine.lookUp(.id(key(&input)), for: .stranger(source: "a"), at: now) {
                    lookUps.append(id)
                }
            case 6: if let id = lookUps.popLast() { machine.failed(id, .refused, at: now) }
            case 7:
                // The list that was asked for, or none of it.
                let part = ListPart.parts(
                    of: [claim(&input, time)], answering: queries.popLast() ?? 0, at: UInt64(input.choice(4)),
                    isOverfull: input.choice(8) == 0)
                let envelope = ClusterEnvelope(
                    sender: sender, number: number, time: time, message: .listPart(part[0]))
                machine.receive(envelope, over: path, at: now)
            case 8:
                let batch = ClaimBatch(number: UInt64(input.choice(6)), claims: [claim(&input, time)])
                let message = input.choice(2) == 0 ? ClusterMessage.claims(batch) : .left(batch)
                machine.receive(
                    ClusterEnvelope(sender: sender, number: number, time: time, message: message), over: path,
                    at: now)
            default:
                let body = input.take(Int(input.byte()))
                guard let message = try? ClusterEnvelope(decoding: head + body).message else { continue }
                machine.receive(
                    ClusterEnvelope(sender: sender, number: number, time: time, message: message), over: path,
                    at: now)
            }
            if machine.deadline <= now { machine.timePassed(at: now) }
            for case .publish(let envelope, _) in machine.takeOutputs() {
                if case .listQuery(let query) = envelope.message { queries.append(query.nonce) }
                decode(envelope.encoded())
            }
        }
        precondition(
            machine.machines.count <= 255 && machine.lookUpCount <= 4_096, "what is bounded stays so")
    }

    /// The beginning of an envelope; the sender is put in afterwards.
    private static var head: [UInt8] { [1] + [UInt8](repeating: 0, count: 32) }

    private static func id(_ number: UInt64) -> MachineID { MachineID(high: 0, low: number) }

    private static func key(_ input: inout FuzzInput) -> PublicKey {
        var bytes = FixedBytes<32>()
        bytes.storage[0] = UInt8(input.choice(4))
        return PublicKey(bytes)
    }

    private static func claim(_ input: inout FuzzInput, _ time: HybridTime) -> Claim {
        Claim(key(&input), time, ClaimManner(rawValue: UInt8(input.choice(4))))
    }
}
