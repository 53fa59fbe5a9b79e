internal import MuxRPC

/// Where the fields of a packet's header stand that are read or written without decoding the whole of it.
enum PacketLayout {
    /// Behind the flags.
    static let bodyByteCountOffset = 1
    /// Behind the flags and the body's length.
    static let requestNumberOffset = 5
}

extension PacketHeader {
    /// The header of a binary packet of a stream.
    init(binaryOf number: Int32, bodyByteCount: Int) {
        self.init(
            bodyType: .binary, isStream: true, bodyByteCount: UInt32(clamping: bodyByteCount),
            requestNumber: number)
    }

    /// Whether the packet carries bytes of a stream, and does not end it.
    var isBinaryOfStream: Bool { isStream && !isEnd && bodyType == .binary }
}
