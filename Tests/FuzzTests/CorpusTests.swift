import Foundation
import FuzzTargets
import Testing

/// Every input that a fuzzer has found worth keeping, and everything that ever crashed, once more.
@Suite("Fuzz corpus")
struct CorpusTests {
    @Test("runs without a trap", arguments: FuzzTarget.allCases)
    func replays(_ target: FuzzTarget) throws {
        let folder = try #require(Bundle.module.url(forResource: "Corpus", withExtension: nil))
        let inputs = try FileManager.default.contentsOfDirectory(
            at: folder.appending(path: target.rawValue), includingPropertiesForKeys: nil)
        #expect(!inputs.isEmpty, "no corpus for \(target.rawValue)")
        for input in inputs { target.run(Array(try Data(contentsOf: input))) }
    }
}
