import BoxStream
import Node
import Testing

@Suite("CWAY_CIPHER")
struct CipherVariableTests {
    /// Names of ciphers of which no machine has all.
    private static let names = ["avx512", "avx2", "sse2", "neon"]

    @Test("a name that is nobody's, and one that this machine lacks, are refused in words")
    func refused() async throws {
        let available = CipherChoice.availableNames
        let missing = Self.names.filter { name in !available.contains { $0.hasPrefix(name) } }
        #expect(!missing.isEmpty)
        for name in ["nonsense", ""] + missing {
            let cway = try BuiltCway("--version", variables: ["CWAY_CIPHER": name])
            #expect(try await cway.code() == ExitStatus.usage.rawValue)
            let words = "this machine has no such cipher: name one of \(available.joined(separator: ", "))"
            #expect(cway.complaints.contains("cway: CWAY_CIPHER=\(name): \(words)"))
            #expect(cway.output.isEmpty)
        }
    }

    @Test("each that this machine has is used")
    func used() async throws {
        for name in CipherChoice.availableNames {
            let cway = try BuiltCway("--version", variables: ["CWAY_CIPHER": name])
            #expect(try await cway.code() == 0)
            #expect(cway.output.contains(name))
        }
    }
}
