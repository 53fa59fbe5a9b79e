internal import Synchronization
internal import TypedSodium

/// What came of a change, until the page that the browser goes to next shows it, once.
///
/// A code of an invite is a secret: it stands in no address, and is gone when it was shown, or after a minute.
final class PageNotes: Sendable {
    private struct Note {
        let id: String
        let session: String
        let outcome: PageOutcome
        let end: UInt64
    }

    private static let limit = 16
    private static let seconds: UInt64 = 60

    private let notes = Mutex<[Note]>([])

    /// Keeps an outcome for a session; what the next page asks for it by.
    func keep(_ outcome: PageOutcome, for session: String, at now: UInt64) -> String {
        let id = String(decoding: TextEncoding.base64URL.encode(Random.bytes(12).span), as: UTF8.self)
        notes.withLock { notes in
            notes.removeAll { $0.end <= now }
            if notes.count >= Self.limit { notes.removeFirst() }
            notes.append(Note(id: id, session: session, outcome: outcome, end: now + Self.seconds))
        }
        return id
    }

    /// Takes it away, for the session that it belongs to.
    func take(_ id: String, for session: String, at now: UInt64) -> PageOutcome? {
        notes.withLock { notes in
            notes.removeAll { $0.end <= now }
            guard let place = notes.firstIndex(where: { $0.id == id && $0.session == session }) else {
                return nil
            }
            return notes.remove(at: place).outcome
        }
    }
}
