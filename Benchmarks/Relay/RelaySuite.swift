internal import BoxStream
internal import CountingAllocator
internal import TypedSodium

/// The portal's work without sockets, on one thread: open, rewrite, seal.
struct RelaySuite: Suite {
    /// How many frames of an inner session one read of the socket brings: 256 KiB of aligned ones.
    private static let framesPerRead = FrameBatch.frameCount
    /// What a buffer for the socket has to hold: 64 frames make four batches of 15 and one of 4.
    private static let framesPerWrite = 12.0

    let summary = """
        relay: a portal's two connections in memory, 64 frames of an inner session per read, against sealing \
        and opening one box of 4096 bytes; ns per inner frame
        """

    func run(_ plan: Plan) async throws -> Findings {
        let rounds = plan.rounds(or: 5)
        let turn = plan.turn(ofSeconds: 1, rounds: rounds) / 2
        var findings = Findings()
        for cut in InnerFrameCut.allCases {
            let world = try RelayWorld(cut)
            let isIntact = try world.carriesIntact(frameCount: 3 * Self.framesPerRead)
            let relayed = RelayedFrames(world, frameCount: Self.framesPerRead)
            let boxes = try TunedFrames(
                .sealAndOpen, bodyByteCount: opaque(BoxFrame.maximumBodyByteCount), key: Random.bytes(32),
                nonce: try Nonce(Random.bytes(24)))
            let contest = Contest(operationsPerBatch: Self.framesPerRead, contenders: [relayed, boxes])
            let scores = try contest.run(rounds: rounds, turn: turn)
            let tally = try AllocationTally(of: relayed, framesPerRead: Self.framesPerRead)
            findings.rows.append(row(cut, scores, tally, relayed))
            findings.checks += checks(cut, isIntact: isIntact, tally, relayed)
        }
        if !counting_allocator_is_active() {
            findings.notes.append("allocations cannot be counted on this system: it has no glibc")
        }
        return findings
    }

    private func row(
        _ cut: InnerFrameCut, _ scores: [Contest.Score], _ tally: AllocationTally, _ relayed: RelayedFrames
    ) -> Row {
        let (relay, box) = (scores[0], scores[1])
        return Row(
            name: cut.rawValue,
            figures: [
                Figure("relay", "GB/s", Double(cut.payloadByteCount) / relay.median),
                Figure("relay", "ns", relay.median),
                Figure("p99", "ns", relay.p99),
                Figure("box seal+open", "ns", box.median),
                Figure("box / relay", of: box.rounds.divided(by: relay.rounds)),
                Figure("CPU", "s/GB", relay.median / Double(cut.payloadByteCount)),
                Figure("allocations per frame", "", tally.perFrame),
                Figure("per read", "", tally.perRead),
                Figure("frames per write", "", relayed.framesPerWrite),
            ])
    }

    private func checks(
        _ cut: InnerFrameCut, isIntact: Bool, _ tally: AllocationTally, _ relayed: RelayedFrames
    ) -> [Check] {
        var checks = [
            Check(
                name: "\(cut.rawValue): the same bytes arrive", isPassed: isIntact,
                found: isIntact ? "equal hashes" : "other bytes")
        ]
        if counting_allocator_is_active() {
            checks.append(
                Check(
                    name: "\(cut.rawValue): 0 allocations per frame", isPassed: tally.perFrame == 0,
                    found: "\(Figure.text(tally.perFrame)) per frame, \(Figure.text(tally.perRead)) per read")
            )
        }
        guard cut == .aligned else { return checks }
        checks.append(
            Check(
                name: "aligned: \(Self.framesPerWrite) frames per write at least",
                isPassed: relayed.framesPerWrite >= Self.framesPerWrite,
                found: Figure.text(relayed.framesPerWrite)))
        return checks
    }
}

/// One read's worth of frames, carried from the sender's connection to the receiver's.
final class RelayedFrames: PreparedContender {
    private let world: RelayWorld
    private let frameCount: Int
    private var writeCount = 0
    private var writtenFrameCount = 0

    init(_ world: RelayWorld, frameCount: Int) {
        (self.world, self.frameCount) = (world, frameCount)
    }

    /// How many inner frames went into one buffer for the socket.
    var framesPerWrite: Double { Double(writtenFrameCount) / Double(writeCount) }

    func prepareBatch() { world.makeReady(frameCount: frameCount) }

    func performBatch() {
        writeCount += world.relay()
        writtenFrameCount += frameCount
    }
}

/// How many allocations reads cost: what every frame adds, and all of a long read.
struct AllocationTally {
    /// What one more frame costs within a batch, in the steady state.
    let perFrame: Double
    /// What a whole read costs, the batches included that its frames are gathered in.
    let perRead: Double

    /// Counts reads of two lengths that make one batch each: what they differ in, the frames cost.
    init(of relayed: RelayedFrames, framesPerRead: Int) throws {
        let (few, many) = (4, 12)
        let difference = relayed.allocationCount(few: few, many: many)
        perFrame = difference / Double(many - few)
        perRead = relayed.allocationCount(frameCount: framesPerRead)
    }
}

extension RelayedFrames {
    /// How many reads are counted; the median of them is steady.
    private static var countedReads: Int { 25 }

    fileprivate func allocationCount(few: Int, many: Int) -> Double {
        allocationCount(frameCount: many) - allocationCount(frameCount: few)
    }

    fileprivate func allocationCount(frameCount: Int) -> Double {
        let counts = (0..<Self.countedReads).map { _ -> Double in
            world.makeReady(frameCount: frameCount)
            let before = counting_allocator_count()
            _ = world.relay()
            return Double(counting_allocator_count() - before)
        }
        return counts.median
    }
}
