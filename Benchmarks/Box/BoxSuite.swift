internal import BoxStream
internal import Sodium

/// Frames of the box stream: `BoxStream` against libsodium's one-call boxes.
struct BoxSuite: Suite {
    /// A full body, one that a tunnel's inner frame fills, a packet's, and two short ones.
    static let bodyByteCounts = [64, 512, 1400, 4053, 4096]

    let summary = "Box-stream frames, header and body, against crypto_secretbox_detached"

    func run(_ plan: Plan) async throws -> [Row] {
        var rows: [Row] = []
        for work in FrameWork.allCases {
            for bodyByteCount in Self.bodyByteCounts.map(opaque) {
                let seed = (key: Random.bytes(32), nonce: try Nonce(Random.bytes(24)))
                let contest = Contest(
                    name: "\(work.rawValue) \(bodyByteCount)", byteCount: bodyByteCount,
                    operationsPerBatch: FrameBatch.frameCount,
                    ours: try TunedFrames(
                        work, bodyByteCount: bodyByteCount, key: seed.key, nonce: seed.nonce),
                    reference: (
                        "one-call",
                        try OneCallFrames(
                            work, bodyByteCount: bodyByteCount, key: seed.key, nonce: seed.nonce)
                    ))
                rows.append(try contest.run(plan))
            }
        }
        return rows
    }
}

/// What is done with each frame.
enum FrameWork: String, CaseIterable {
    case seal
    case open
    case sealAndOpen = "seal+open"
}

/// Frames that stand one behind the other, as they do in a buffer that is about to be sent.
@safe
final class FrameBatch {
    /// At 4096 bytes this is 264 KB: second-level cache, where a buffer just read from a socket stands.
    static let frameCount = 64

    /// The length of every body.
    let bodyByteCount: Int
    private let frames: UnsafeMutableRawBufferPointer
    private let opened: UnsafeMutableRawBufferPointer

    init(bodyByteCount: Int) {
        self.bodyByteCount = bodyByteCount
        let frameByteCount = BoxFrame.headerByteCount + bodyByteCount
        unsafe frames = .allocate(byteCount: Self.frameCount * frameByteCount, alignment: 64)
        unsafe frames.copyBytes(from: Random.bytes(frames.count))
        unsafe opened = .allocate(byteCount: bodyByteCount, alignment: 64)
        unsafe opened.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit {
        unsafe frames.deallocate()
        unsafe opened.deallocate()
    }

    /// Where frame `index` stands, headroom first.
    @unsafe
    func frame(_ index: Int) -> UnsafeMutableRawPointer {
        unsafe frames.baseAddress.unsafelyUnwrapped + index * (BoxFrame.headerByteCount + bodyByteCount)
    }

    /// Where a body is opened to.
    @unsafe
    var destination: UnsafeMutableRawPointer { unsafe opened.baseAddress.unsafelyUnwrapped }
}
