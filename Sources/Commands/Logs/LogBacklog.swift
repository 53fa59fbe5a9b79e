/// The text that waits to be written to a log, up to a bound; what does not fit is counted, and said in its place.
package struct LogBacklog: Sendable {
    /// How much may wait, what is being written included, in bytes: some 8,000 lines.
    package static let byteCountLimit = 1 << 20

    private var waiting: [UInt8] = []
    private var writingByteCount = 0
    private var droppedCount = 0

    package init() {}

    /// Whether all that was taken in is written.
    package var isEmpty: Bool { waiting.isEmpty && writingByteCount == 0 && droppedCount == 0 }

    /// How much waits or is being written, in bytes.
    package var byteCount: Int { waiting.count + writingByteCount }

    /// Takes text of whole lines, or drops it.
    package mutating func append(_ text: String, lineCount: Int = 1) {
        let notice = notice
        let (count, noticeCount) = (text.utf8.count, notice.utf8.count)
        guard count <= Self.byteCountLimit - byteCount - noticeCount else {
            droppedCount += lineCount
            return
        }
        waiting.append(contentsOf: notice.utf8)
        waiting.append(contentsOf: text.utf8)
        droppedCount = 0
    }

    /// Everything that waits, to be written now; ``finishedWriting(droppedCount:)`` is to follow.
    package mutating func take() -> [UInt8] {
        if droppedCount > 0 {
            // A sentence more than the bound: it is written next, and nothing else is taken meanwhile.
            waiting.append(contentsOf: notice.utf8)
            droppedCount = 0
        }
        let batch = waiting
        waiting = []
        writingByteCount = batch.count
        return batch
    }

    /// What was taken is written, but for some lines.
    package mutating func finishedWriting(droppedCount count: Int = 0) {
        writingByteCount = 0
        droppedCount += count
    }

    private var notice: String {
        droppedCount == 0 ? "" : "\(droppedCount) lines dropped: the log was not read fast enough\n"
    }
}
