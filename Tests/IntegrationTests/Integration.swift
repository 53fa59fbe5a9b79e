import Testing

/// Everything with the built program as processes, one test at a time: they share the machine's cores.
@Suite("Integration", .serialized, .timeLimit(.minutes(3)))
enum Integration {}
