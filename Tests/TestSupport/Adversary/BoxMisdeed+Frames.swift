extension BoxMisdeed {
    /// What goes over the wire; `calls` are packets that would be answered.
    func frames(
        around calls: [HandmadePacket], with boxes: inout HandmadeBoxes, _ random: inout SeededRandom
    ) -> [UInt8] {
        let calls = calls.flatMap(\.bytes)
        switch self {
        case .forgedFrame: return random.bytes(Int.random(in: 34...5000, using: &random))
        case .flippedBit:
            var frame = boxes.seal(calls)
            frame[Int.random(in: frame.indices, using: &random)] ^=
                1 << UInt8.random(in: 0...7, using: &random)
            // Whatever the flip did, there is enough behind it for the frame to be looked at.
            return frame + random.bytes(HandmadeBoxes.maximumBodyByteCount)
        case .replayedFrame:
            let frame = boxes.seal(calls)
            return frame + frame
        case .swappedFrames:
            let first = boxes.seal(calls)
            return boxes.seal(calls) + first
        case .overlength:
            let count = Int.random(in: HandmadeBoxes.maximumBodyByteCount + 1...0xffff, using: &random)
            return boxes.sealHeader(byteCount: count, tag: random.bytes(16)) + random.bytes(count)
        case .emptyBody: return boxes.sealHeader(byteCount: 0, tag: random.bytes(16)) + boxes.seal(calls)
        case .bytesAfterGoodbye:
            return boxes.goodbye() + random.bytes(Int.random(in: 1...100, using: &random))
        case .cutFrame:
            let frame = boxes.seal(calls)
            return Array(frame.prefix(Int.random(in: 1..<frame.count, using: &random)))
        case .noGoodbye: return boxes.seal(calls)
        case .randomPlaintext: return boxes.seal(random.bytes(20_000), cutAt: 4096)
        case .tinyBodies: return boxes.seal(calls, cutAt: 1)
        }
    }

    /// Whether the connection ends behind it.
    var hangsUp: Bool { self == .cutFrame || self == .noGoodbye }
}
