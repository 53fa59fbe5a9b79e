internal import BoxStream
internal import TypedSodium

/// Frames of the box stream: `BoxStream` against libsodium's one-call boxes, and against their parts.
struct BoxSuite: Suite {
    /// A full body, one that a tunnel's inner frame fills, a packet's, and two short ones.
    static let bodyByteCounts = [64, 512, 1400, 4053, 4096]

    let summary = """
        box: box-stream frames, header and body, against crypto_secretbox_detached, against the calls of \
        libsodium's that they are made of, against Salsa20 and Poly1305 over the body alone, and against \
        copying it
        """

    func run(_ plan: Plan) async throws -> Findings {
        let rounds = plan.rounds(or: 5)
        let turn = plan.turn(ofSeconds: 1, rounds: rounds) / 10
        var findings = Findings()
        let usual = CipherChoice.name
        defer { try? CipherChoice.use(usual) }
        // What the process uses comes first, under plain names; the others that the machine has follow.
        for cipher in [usual] + CipherChoice.availableNames.filter({ $0 != usual }) {
            try CipherChoice.use(cipher)
            for work in FrameWork.allCases {
                for bodyByteCount in Self.bodyByteCounts.map(opaque) {
                    let scores = try contest(work, bodyByteCount: bodyByteCount).run(
                        rounds: rounds, turn: turn)
                    let name = cipher == usual ? work.rawValue : "\(cipher)-\(work.rawValue)"
                    findings.rows.append(row(name, bodyByteCount, scores))
                }
            }
        }
        do {
            for bodyByteCount in Self.bodyByteCounts.map(opaque) {
                findings.rows.append(try hardware(bodyByteCount, rounds: rounds, turn: turn))
            }
        } catch {
            findings.notes.append("AES-256-GCM is not measured: there is no libcrypto.so.3")
        }
        return findings
    }

    /// What others get from the processor's instructions for AES, without a header of its own for each body.
    private func hardware(_ byteCount: Int, rounds: Int, turn: Duration) throws -> Row {
        let frames = try HardwareFrames(bodyByteCount: byteCount, key: Random.bytes(32))
        let score = try Contest(operationsPerBatch: FrameBatch.frameCount, contenders: [frames])
            .run(rounds: rounds, turn: turn)[0]
        return Row(
            name: "AES-256-GCM \(byteCount)",
            figures: [
                Figure("libcrypto", "GB/s", Double(byteCount) / score.median),
                Figure("libcrypto", "ns", score.median), Figure("p99", "ns", score.p99),
            ], group: "AES-256-GCM")
    }

    private func contest(_ work: FrameWork, bodyByteCount: Int) throws -> Contest {
        let seed = (key: Random.bytes(32), nonce: try Nonce(Random.bytes(24)))
        return Contest(
            operationsPerBatch: FrameBatch.frameCount,
            contenders: [
                try TunedFrames(work, bodyByteCount: bodyByteCount, key: seed.key, nonce: seed.nonce),
                try OneCallFrames(work, bodyByteCount: bodyByteCount, key: seed.key, nonce: seed.nonce),
                BareFrames(work, .calls, bodyByteCount: bodyByteCount, key: seed.key),
                BareFrames(work, .cipher, bodyByteCount: bodyByteCount, key: seed.key),
                BareFrames(work, .copy, bodyByteCount: bodyByteCount, key: seed.key),
            ])
    }

    private func row(_ work: String, _ byteCount: Int, _ scores: [Contest.Score]) -> Row {
        let (ours, oneCall, calls, cipher, copy) = (scores[0], scores[1], scores[2], scores[3], scores[4])
        return Row(
            name: "\(work) \(byteCount)",
            figures: [
                Figure("ours", "GB/s", Double(byteCount) / ours.median),
                Figure("ours", "ns", ours.median),
                Figure("p99", "ns", ours.p99),
                Figure("one-call", "ns", oneCall.median),
                Figure("its calls", "ns", calls.median),
                Figure("Salsa20 + Poly1305", "ns", cipher.median),
                Figure("memcpy", "ns", copy.median),
                Figure("× one-call", of: oneCall.rounds.divided(by: ours.rounds)),
                Figure("× its calls", of: calls.rounds.divided(by: ours.rounds)),
                Figure("× parts", of: cipher.rounds.divided(by: ours.rounds)),
            ], group: work)
    }
}

/// What is done with each frame.
enum FrameWork: String, CaseIterable {
    case seal
    case open
    case sealAndOpen = "seal+open"
}
