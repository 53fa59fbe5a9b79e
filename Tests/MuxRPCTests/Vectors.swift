import Foundation
import TestSupport

/// The files beside these tests.
enum Vectors {
    struct Missing: Error { let name: String }

    static func data(_ name: String) throws -> Data {
        guard let folder = Bundle.module.url(forResource: "Vectors", withExtension: nil) else {
            throw Missing(name: name)
        }
        return try Data(contentsOf: folder.appendingPathComponent(name))
    }

    /// One frame of every kind, made with JavaScript's own encoder.
    struct Frame: Decodable {
        let name: String
        let header: Hex
        let body: Hex

        var bytes: [UInt8] { header.bytes + body.bytes }
    }

    static func frames() throws -> [String: Frame] {
        struct File: Decodable { let frames: [Frame] }
        let file = try JSONDecoder().decode(File.self, from: data("muxrpc-frames-js-made.json"))
        return Dictionary(uniqueKeysWithValues: file.frames.map { ($0.name, $0) })
    }
}
