import Foundation
import MuxRPC
import NIOCore
import TestSupport

/// A recorded session: which bytes passed in which direction, connection by connection.
///
/// A line holds the direction (`<` received by the program that recorded), the connection, the length, the first 16
/// bytes in hexadecimal and, where there are more, the text with a dot for each unprintable byte. Long texts are
/// cut: only JavaScript's stacks are that long, and the missing rest of one is filled up. What is neither known by
/// its text nor by its first bytes was binary, and zeros stand for it.
struct Trace {
    struct Chunk {
        let connection: Int
        let isReceived: Bool
        let bytes: [UInt8]
    }

    struct Malformed: Error { let line: String }

    let chunks: [Chunk]

    var connections: [Int] { Set(chunks.map(\.connection)).sorted() }

    init(_ name: String) throws {
        let text = String(decoding: try Vectors.data(name), as: UTF8.self)
        chunks = try text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 5)
            guard fields.count >= 4, let connection = Int(fields[1]) else {
                throw Malformed(line: String(line))
            }
            guard fields[3] != "end" else { return nil }  // the transport's end, and why
            guard let count = Int(fields[3]), fields.count >= 5 else { throw Malformed(line: String(line)) }
            let head = Hex(String(fields[4])).bytes
            let printed = try fields.count > 5 ? Self.text(fields[5]) : []
            return Chunk(
                connection: connection, isReceived: fields[2] == "<",
                bytes: Self.bytes(count: count, head: head, printed: printed))
        }
    }

    /// The decoded text, without the halves of escapes where it was cut.
    private static func text(_ field: Substring) throws -> [UInt8] {
        var field = String(field)
        if !field.dropFirst().hasSuffix("\"") {
            while field.hasSuffix("\\") { field.removeLast() }
            field += "\""
        }
        return Array(try JSONDecoder().decode(String.self, from: Data(field.utf8)).utf8)
    }

    private static func bytes(count: Int, head: [UInt8], printed: [UInt8]) -> [UInt8] {
        guard printed.starts(with: head), !printed.isEmpty else {
            return head + [UInt8](repeating: 0, count: count - head.count)
        }
        guard printed.count == count else {
            // An error object, cut inside its stack: the last thing in it.
            let end = Array("\"}".utf8)
            var kept = printed.suffix(2) == end[...] ? printed.dropLast(2) : printed[...]
            kept = kept.prefix(count - end.count)
            while kept.last == UInt8(ascii: "\\") { kept = kept.dropLast() }
            let filler = [UInt8](repeating: UInt8(ascii: "x"), count: count - end.count - kept.count)
            return kept + filler + end
        }
        // The one unprintable byte in texts is the line feed that Go's encoders put behind JSON.
        let isJSON = printed.first == UInt8(ascii: "[") || printed.first == UInt8(ascii: "{")
        guard isJSON, printed.last == UInt8(ascii: ".") else { return printed }
        return printed.dropLast() + [UInt8(ascii: "\n")]
    }
}
