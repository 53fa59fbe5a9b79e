import BoxStream
import Testing

/// What only our own code can do wrong stops the process, instead of sending or revealing what it must not.
@Suite("Misuse of box stream")
struct MisuseTests {
    @Test("A body is not opened before it was verified")
    func opensUnverified() async {
        let result = await #expect(processExitsWith: .failure) {
            var reference = Reference(seed: 21)
            var opener = try reference.opener()
            let frame = try reference.frame([1, 2, 3])
            _ = try opener.header(Array(frame.prefix(34)))
            _ = opener.open(Array(frame.dropFirst(34)), behind: [])
        }
        #expect(result.hasTrapped)
    }

    @Test("Nothing is sealed behind the goodbye")
    func sealsAfterGoodbye() async {
        let result = await #expect(processExitsWith: .failure) {
            var sealer = try Reference(seed: 22).sealer()
            _ = sealer.goodbye()
            _ = sealer.frame([1])
        }
        #expect(result.hasTrapped)
    }

    @Test("A body has 1…4096 bytes")
    func sealsWrongLengths() async {
        let empty = await #expect(processExitsWith: .failure) {
            var sealer = try Reference(seed: 23).sealer()
            _ = sealer.frame([])
        }
        let long = await #expect(processExitsWith: .failure) {
            var sealer = try Reference(seed: 23).sealer()
            _ = sealer.frame([UInt8](repeating: 0, count: 4097))
        }
        #expect(empty.hasTrapped)
        #expect(long.hasTrapped)
    }
}

extension ExitTest.Result? {
    /// Whether a signal ended the process: a thrown error would end it too, but with an exit code.
    fileprivate var hasTrapped: Bool {
        if case .signal = self?.exitStatus { true } else { false }
    }
}
