internal import CSodium
internal import Synchronization
internal import TypedSodium

/// Which code seals and opens the boxes of this process.
///
/// A build of our own for the widest vectors that the processor has, as long as it makes the same bytes as libsodium
/// in a test at first use; else libsodium itself. Connections keep what was chosen when they began.
public enum CipherChoice {
    /// Why a name was refused.
    public enum Refusal: Error, Equatable, Sendable, CustomStringConvertible {
        /// This machine has no such cipher; it has those.
        case missing(name: String, available: [String])
        /// It makes other bytes than libsodium.
        case wrong(name: String)

        /// What is wrong with the name, and what to do.
        public var description: String {
            switch self {
            case .missing(_, let available):
                "this machine has no such cipher: name one of \(available.joined(separator: ", ")), or none"
            case .wrong: "it does not make libsodium's bytes here: leave it out"
            }
        }
    }

    private struct State {
        var chosen: CipherKernel?
        var mistaken: [String] = []
    }

    private static let state = Mutex(State())

    /// The name of what is used: `avx512`, `avx512f` (the same without IFMA), `avx2`, `sse2`, `neon`, `libsodium`.
    public static var name: String { kernel.name }

    /// What this machine can run, the fastest first.
    public static var availableNames: [String] { CipherKernel.available.map(\.name) }

    /// Those that were passed over because they made other bytes than libsodium: a fault of the machine or of
    /// ours, worth a warning.
    public static var mistakenNames: [String] {
        _ = kernel
        return state.withLock(\.mistaken)
    }

    /// Uses one by its name from now on, whatever its speed.
    ///
    /// - Throws: ``Refusal``.
    public static func use(_ name: String) throws(Refusal) {
        let available = CipherKernel.available
        let match = available.first { $0.name == name } ?? available.first { $0.name == name + "f" }
        guard let match else { throw .missing(name: name, available: available.map(\.name)) }
        guard CipherSelfTest.passes(match) else { throw .wrong(name: name) }
        state.withLock { $0.chosen = match }
    }

    /// What new connections use.
    static var kernel: CipherKernel {
        state.withLock { state in
            if let chosen = state.chosen { return chosen }
            for kernel in CipherKernel.available where kernel.isFast {
                if CipherSelfTest.passes(kernel) {
                    state.chosen = kernel
                    return kernel
                }
                state.mistaken.append(kernel.name)
            }
            state.chosen = .libsodium
            return .libsodium
        }
    }
}
