internal import ArgumentParser
internal import BoxStream
internal import Logging
internal import Multiserver
internal import NIOCore
internal import Node
internal import ServiceLifecycle
internal import Stamp
internal import TypedSodium
internal import Watching

/// The options of the commands that can be watched.
struct WatchOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Where Prometheus reads metrics: a port of this machine, or a socket.",
            discussion: "PORT, HOST:PORT or unix:PATH. At an address that others reach it takes a token.",
            valueName: "address"),
        transform: Parsing.watchAddress)
    var metrics: WatchAddress?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A file that only you can read, with the token that those show who read the metrics.",
            valueName: "file"))
    var metricsTokenFile: String?

    @Flag(
        name: .long,
        help: ArgumentHelp(
            "Count people exactly in metrics, instead of rounding up to 16.",
            discussion:
                "It reveals how many are there at each moment, and when somebody comes, calls, sends and goes."
        ))
    var exactMetrics = false

    /// What is given of the settings.
    var settings: Settings.Watching {
        var watching = Settings.Watching()
        watching.metrics = metrics
        watching.metricsTokenFile = metricsTokenFile
        watching.exactMetrics = exactMetrics ? true : nil
        return watching
    }
}

/// The options of a portal's page.
struct PageOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Where the operator finds the portal's page in a browser: a port of this machine.",
            discussion:
                "PORT, HOST:PORT or unix:PATH. Who gets there sees and changes who may use the portal; at an address "
                + "that others reach it takes a token.",
            valueName: "address"),
        transform: Parsing.watchAddress)
    var page: WatchAddress?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A file that only you can read, with the token that the page asks for.", valueName: "file"))
    var pageTokenFile: String?

    /// Adds what is given to the settings.
    func add(to watching: inout Settings.Watching) {
        watching.page = page
        watching.pageTokenFile = pageTokenFile
    }
}

/// What is served to those who watch, checked before anything begins.
struct WatchPlan {
    private let settings: Settings.Watching
    private let metricsToken, pageToken: WatchToken?

    /// Reads the token, and refuses to show others what takes one.
    ///
    /// - Throws: ``CommandFailure`` with ``ExitStatus/usage``, or ``ExitStatus/settingsUnusable`` for a file.
    init(_ settings: Settings.Watching) throws(CommandFailure) {
        self.settings = settings
        metricsToken = try Self.token(
            in: settings.metricsTokenFile, for: settings.metrics, "metrics", "--metrics-token-file")
        pageToken = try Self.token(
            in: settings.pageTokenFile, for: settings.page, "page", "--page-token-file")
    }

    /// Serves the metrics of a daemon, where that is wished.
    func services(
        for watched: Watched, group: any EventLoopGroup, logger: Logger
    ) -> [any Service] {
        guard let place = settings.metrics else { return [] }
        return [
            MetricsService(
                watched, at: WatchServer.Place(place), token: metricsToken,
                settings.exactMetrics == true ? .exact : .blurred, group: group, logger: logger)
        ]
    }

    /// Serves the page of a portal, where that is wished.
    func services(for source: PageSource, group: any EventLoopGroup, logger: Logger) -> [any Service] {
        guard let place = settings.page else { return [] }
        return [
            PageService(
                source, build: .ofProcess, at: WatchServer.Place(place), token: pageToken, group: group,
                logger: logger)
        ]
    }

    /// The token for what is served at an address; one that others reach has to have one.
    static func token(
        in path: String?, for address: WatchAddress?, _ subject: String, _ option: String
    ) throws(CommandFailure) -> WatchToken? {
        guard let path else {
            guard let address, !address.isLocal else { return nil }
            throw CommandFailure(
                .usage,
                "everybody could read the \(subject) at \(address): give \(option) FILE, or an address of this "
                    + "machine alone like localhost:PORT")
        }
        do throws(TokenFileError) {
            var contents = try TokenFile.contents(of: path)
            defer { wipe(&contents) }
            guard let token = WatchToken(contents: contents) else {
                throw TokenFileError.unusable(path: path)
            }
            return token
        } catch {
            throw CommandFailure(.settingsUnusable, error)
        }
    }
}

extension WatchServer.Place {
    init(_ address: WatchAddress) {
        switch address {
        case .tcp(let address): self = .host(address.host, port: Int(address.port))
        case .unix(let path): self = .unix(path: path)
        }
    }
}

extension Watched.Build {
    /// What this program is.
    static var ofProcess: Watched.Build {
        Watched.Build(version: Version.number, commit: Version.commit, cipher: CipherChoice.name)
    }
}
