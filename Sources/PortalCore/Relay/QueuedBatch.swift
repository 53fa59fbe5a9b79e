/// Packets of one tunnel that wait together.
package protocol QueuedBatch {
    /// What they cost in memory, in bytes.
    var heldByteCount: Int { get }
    /// As how many bytes they count in turns.
    var turnByteCount: Int { get }
    /// Whether they are so few that they had better join what waits in front of them.
    var isSmall: Bool { get }

    /// Takes the packets of the next batch in behind one's own; whether there is room, nothing changes where not.
    mutating func join(_ next: borrowing Self) -> Bool
}
