/// What an ``Opener`` refuses; each is final.
public enum BoxStreamError: Error, Equatable, Sendable {
    /// A tag does not authenticate its header or body: altered, replayed, reordered, or another key's.
    case forged
    /// The input ended before the goodbye, whether between two frames or inside one.
    case truncated
    /// A genuine header announces a body longer than ``BoxFrame/maximumBodyByteCount``, by this many bytes.
    case overlength(Int)
    /// A genuine header announces a body of no bytes without being the goodbye.
    case emptyBody
    /// Bytes came behind the goodbye.
    case afterGoodbye
    /// An earlier call threw, and a failed stream stays failed.
    case failed
}
