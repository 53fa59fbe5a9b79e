internal import BoxStream
internal import MuxRPC

/// Where the bytes of a session go, which decides how its frames are laid out.
public enum Framing: Sendable {
    /// To a socket: frames stand back to back, bodies reach 4096 bytes.
    case direct
    /// Into a stream of an outer session: each frame is one muxrpc packet that fits one outer box exactly.
    ///
    /// In front of every frame stand the outer box's headroom and the outer packet's header, so that what the
    /// outer session seals is in its place already.
    case tunnelled

    /// What stands in front of every frame, in bytes.
    var holeByteCount: Int {
        switch self {
        case .direct: 0
        case .tunnelled: BoxFrame.headerByteCount + PacketHeader.byteCount
        }
    }

    /// The longest box-stream body, in bytes: 4096, or 4053 where the frame itself has to fit such a body.
    var maximumBodyByteCount: Int {
        switch self {
        case .direct: BoxFrame.maximumBodyByteCount
        case .tunnelled:
            BoxFrame.maximumBodyByteCount - PacketHeader.byteCount - BoxFrame.headerByteCount
        }
    }

    /// The longest binary packet body that, with its header, fits one box, in bytes.
    var maximumDataByteCount: Int { maximumBodyByteCount - PacketHeader.byteCount }
}
