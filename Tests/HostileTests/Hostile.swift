import Testing

/// What peers do to take the service from others, over real sockets, one file per attack; an honest pair beside it.
@Suite("Hostile peers", .serialized)
enum Hostile {}
