internal import ArgumentParser
internal import Node

/// How much members, and source addresses of others, may have of a portal.
struct TrafficOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "What may pass in a second through the tunnels of each member.",
            discussion: "What is more waits; nothing is cut for it. Default: its share of the line.",
            valueName: "rate"),
        transform: Parsing.rate)
    var memberRate: DataAmount?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "What may pass in a calendar month (UTC) through the tunnels of each member.",
            discussion: "Then its tunnels end, and it gets none until the next month.", valueName: "size"),
        transform: Parsing.volume)
    var memberVolume: DataAmount?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The same rate for each source address of those who are no members.", valueName: "rate"),
        transform: Parsing.rate)
    var sourceRate: DataAmount?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The same volume for each source address of those who are no members.", valueName: "size"),
        transform: Parsing.volume)
    var sourceVolume: DataAmount?

    /// Adds what is given to the limits.
    func add(to limits: inout Settings.Limits) {
        limits.memberRate = memberRate
        limits.memberVolume = memberVolume
        limits.sourceRate = sourceRate
        limits.sourceVolume = sourceVolume
    }
}
