internal import ArgumentParser
internal import Node

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
