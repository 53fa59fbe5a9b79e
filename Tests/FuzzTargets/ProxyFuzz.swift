internal import NIOCore
internal import PortalCore

/// A proxy's header in pieces: what is read does not depend on where they are cut.
enum ProxyFuzz {
    /// Genuine beginnings, behind which the fuzzer goes on.
    private static let beginnings: [[UInt8]] = [
        [], Array("PROXY TCP4 192.0.2.1 198.51.100.7 51000 443\r\n".utf8),
        Array("PROXY TCP6 2001:db8::1 ::1 1 2".utf8),
        [
            13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10, 0x21, 0x11, 0, 12, 192, 0, 2, 1, 198, 51,
            100, 7, 1, 2, 3, 4,
        ],
        [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10],
    ]

    static func run(_ input: inout FuzzInput) {
        let beginning = input.spoil(beginnings[input.choice(beginnings.count)])
        let bytes = beginning + input.rest()
        let whole = Result { () throws(ProxyHeaderError) in try ProxyHeader.read(ByteBuffer(bytes: bytes)) }
        for count in 0...min(bytes.count, 300) {
            do throws(ProxyHeaderError) {
                guard let header = try ProxyHeader.read(ByteBuffer(bytes: bytes[..<count])) else { continue }
                precondition(header.byteCount <= count, "it has bytes that have not come")
                precondition(whole == .success(header), "a piece is read otherwise")
                return
            } catch {
                guard case .failure = whole else {
                    preconditionFailure("a piece is refused, the whole is not")
                }
                return
            }
        }
    }
}
