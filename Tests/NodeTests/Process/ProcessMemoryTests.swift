import Foundation
import Node
import Testing

/// The rule that a process which serves for months keeps nothing of its busiest minute.
@Suite struct ProcessMemoryTests {
    /// As large as a batch of a portal's.
    private static let pieceByteCount = 64 << 10
    private static let pieceCount = 4096

    #if canImport(Glibc)
    @Test("What lies free between other things is seen, and given back to the system")
    func givesBackWhatIsBetween() {
        ProcessMemory.keepBuffers()
        let before = ProcessMemory.unusedByteCount
        var pieces = (0..<Self.pieceCount).map { _ in [UInt8](repeating: 1, count: Self.pieceByteCount) }
        // Every other one stays, so that no heap can simply become shorter.
        for index in stride(from: 0, to: pieces.count, by: 2) { pieces[index] = [] }
        let freed = ProcessMemory.unusedByteCount
        ProcessMemory.giveBack()
        let after = ProcessMemory.unusedByteCount
        // Half of what is expected, for other tests use memory meanwhile.
        let expected = Self.pieceCount / 2 * Self.pieceByteCount / 2
        #expect(freed - before > expected)
        #expect(freed - after > expected)
        #expect(pieces.count == Self.pieceCount)
    }
    #endif
}
