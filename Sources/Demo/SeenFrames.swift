internal import Node

/// What the portal has passed on, as it wrote it down itself; see ``FramePrinter``.
package struct SeenFrames {
    /// One packet.
    struct Frame {
        let sender: String
        let body: [UInt8]

        /// Its first bytes as digits, in groups of four bytes.
        func beginning(byteCount: Int) -> String {
            let groups = stride(from: 0, to: min(byteCount, body.count), by: 4).map {
                Hexadecimal.text(of: body[$0..<min($0 + 4, body.count)])
            }
            return groups.joined(separator: " ") + (body.count > byteCount ? " …" : "")
        }
    }

    let frames: [Frame]

    /// Finds the frames in a portal's log.
    package init(log: [Substring]) {
        frames = log.compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count == 5, fields[0] == "frame", let byteCount = Int(fields[3]),
                let body = Hexadecimal.bytes(of: fields[4]), body.count == byteCount
            else { return nil }
            return Frame(sender: String(fields[2]), body: body)
        }
    }

    package var byteCount: Int { frames.reduce(0) { $0 + $1.body.count } }

    /// How much a peer, or everybody else, has sent, in bytes.
    package func byteCount(from sender: String, others: Bool = false) -> Int {
        bytes { ($0 == sender) != others }.count
    }

    /// Which of the words can be read in what was passed on, in either direction, across frames too.
    package func readable(_ words: [String]) -> [String] {
        let streams = Set(frames.map(\.sender)).map { sender in bytes { $0 == sender } }
        return words.filter { word in streams.contains { $0.contains(Array(word.utf8)) } }
    }

    private func bytes(from isWanted: (String) -> Bool) -> [UInt8] {
        frames.filter { isWanted($0.sender) }.flatMap(\.body)
    }
}
