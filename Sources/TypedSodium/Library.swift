internal import CSodium

/// Sets libsodium up once per process.
///
/// Every initialiser of a type that allocates, draws random bytes or picks an implementation touches
/// ``isReady`` first: `sodium_malloc` aborts before `sodium_init`, and the portable code that would run
/// without it is half as fast. `sodium_init` is idempotent and thread-safe.
enum Library {
    static let isReady: Void = {
        let status = sodium_init()
        precondition(status >= 0, "libsodium could not be initialised on this machine")
    }()
}
