/// How the body of a packet is to be read: bits 0 and 1 of its flags.
///
/// The fourth value, 3, is nobody's: a header that carries it has no body type.
public enum BodyType: UInt8, Sendable {
    /// Bytes with no meaning to muxrpc.
    case binary = 0
    /// UTF-8 text.
    case string = 1
    /// One JSON value; Go's encoders put a line feed behind it.
    case json = 2
}
