internal import ArgumentParser
internal import Glibc
internal import Node
internal import ServiceLifecycle

/// The options of every command that serves until it is told to stop.
struct ServingOptions: ParsableArguments, Sendable {
    @Flag(
        name: .customLong("until-input-ends"),
        help: ArgumentHelp("Stop also when standard input ends.", visibility: .hidden))
    var untilInputEnds = false
}

/// Ends when standard input does, and all services with it: for a process that must not outlive its parent.
///
/// The parent holds the other end of a pipe, which the system closes however the parent ends.
struct InputWatch: Service {
    func run() async throws {
        let (ends, continuation) = AsyncThrowingStream.makeStream(of: Void.self)
        // A thread of its own, because reading blocks; it ends with the process.
        DetachedThread.start {
            var unused = [UInt8](repeating: 0, count: 4096)
            do throws(StandardStreamFailure) {
                while try StandardStream.read(STDIN_FILENO, into: &unused) > 0 {}
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        for try await _ in ends.cancelOnGracefulShutdown() {}
    }
}

/// The option of the commands that serve others.
struct MemoryOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "What may be held for all others together.",
            discussion: "Default: a quarter of this machine's memory, at least 64MiB and at most 256MiB.",
            valueName: "size"),
        transform: Parsing.memorySize)
    var memory: MemorySize?

    /// What is given of the limits.
    var limits: Settings.Limits {
        var limits = Settings.Limits()
        limits.memory = memory
        return limits
    }
}

/// The option of the commands that keep a connection to a portal.
struct BatteryOptions: ParsableArguments, Sendable {
    @Flag(
        name: .long,
        help: ArgumentHelp(
            "Be woken rarely: of a portal with many machines, notice late that one has died.",
            discussion:
                "The portal is asked after 25 s of silence, not after 3; the setting battery says so for good."
        ))
    var battery = false

    /// The option as it is written.
    var words: [String] { battery ? ["--battery"] : [] }

    /// Adds it to the flags among the settings.
    func add(to flags: inout Settings.Flags) {
        if battery { flags.battery = true }
    }
}
