internal import CSodium

/// The stack that C functions have used, which keeps what they computed with until something else is written there.
///
/// libsodium wipes its own buffers, but not what the compiler spilled, nor the words of a hash's message.
enum StackMemory {
    /// Deeper than any function goes that is called here; writing it takes some 0.1 µs.
    private static let byteCount = 8_192

    /// Calls a function that computes with secrets, and wipes the stack that it has used.
    ///
    /// Everything here that takes or gives a secret goes through it, except the frames of a connection, whose keys are
    /// of that connection alone and beside which it would cost too much.
    @inline(never)
    static func wipingAfter(_ call: () -> Int32) -> Int32 {
        defer { sodium_stackzero(byteCount) }
        return call()
    }
}
