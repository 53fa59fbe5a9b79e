import Foundation
import PeerSupport
import PortalCore
import Testing

/// Portals, and the home of an owner who is hidden at them and makes friends by invites; all as processes.
struct FriendNetwork: Sendable {
    /// The home of who serves.
    static let owner = "owner"
    /// What friends call the owner.
    static let petname = "home"

    let stage: Stage
    let portals: [TestNetwork.Portal]
    /// An invite for each of the friends to be, made before the owner serves and so announced with it.
    private let invites: [String: String]

    /// Starts portals, and makes the owner's home, which names all of them and has invites for these friends.
    static func start(
        on stage: Stage, portalCount: Int = 1, portalFlags: [String] = [], friends: [String] = ["friend"]
    ) async throws -> FriendNetwork {
        var portals: [TestNetwork.Portal] = []
        for number in 1...portalCount {
            let portal = try await TestNetwork.Portal.start(on: stage, home: "portal-\(number)", portalFlags)
            try await stage.run(home: owner, ["portals", "add", portal.address])
            portals.append(portal)
        }
        var invites: [String: String] = [:]
        for friend in friends { invites[friend] = try await invite(friend, on: stage) }
        return FriendNetwork(stage: stage, portals: portals, invites: invites)
    }

    var portal: TestNetwork.Portal { portals[0] }

    // MARK: The owner

    /// Makes an invite.
    static func invite(_ label: String, uses: Int = 1, on stage: Stage) async throws -> String {
        try await stage.run(home: owner, ["invite", "create", "--label", label, "--uses", "\(uses)"])
    }

    /// Starts `cway serve`, hidden, and awaits an announcement at each of these portals, by default all of them.
    func serve(
        _ services: KeyValuePairs<String, Int> = [:], announcedAt portalCount: Int? = nil,
        logLevel: String = "trace"
    ) async throws -> CwayProcess {
        let flags = services.flatMap { ["--service", "\($0)=127.0.0.1:\($1)"] }
        let process = try stage.cway(home: Self.owner, ["serve", "--log-level", logLevel] + flags)
        _ = try await process.lines(portalCount ?? portals.count)
        return process
    }

    /// The owner's addresses in a form, one for each portal.
    func addresses(_ form: String = "sealed") async throws -> [String] {
        try await stage.run(home: Self.owner, ["address", "--form", form])
            .split(separator: "\n").map(String.init)
    }

    // MARK: Friends

    /// Makes the home of that name a friend, by the invite that was made for it.
    func befriend(_ home: String, _ flags: String...) async throws {
        let code = try #require(invites[home])
        try await stage.run(home: home, ["join", code, "--name", Self.petname] + flags)
    }

    /// The invite that was made for the home of that name.
    func code(for home: String) throws -> String { try #require(invites[home]) }

    /// Redeems an invite that was made while the owner served, as soon as the portal knows of it.
    func join(_ code: String, as home: String, while server: CwayProcess) async throws {
        while true {
            let count = server.log.split(separator: "\n").count { $0.contains(Self.announced) }
            let process = try stage.cway(home: home, ["join", code])
            let ending = try await process.end()
            if ending == .exit(0) { return }
            try #require(ending == .exit(12), "\(process.log)")
            try await server.logLines(count + 1, with: Self.announced)
        }
    }

    /// What a hidden node logs when a portal has taken its tokens.
    private static let announced = "announced, hidden"

    /// Starts `cway connect --listen` in a friend's home, and awaits its port.
    func forward(
        _ service: String, as home: String, to text: String = petname
    ) async throws -> (process: CwayProcess, port: Int) {
        let process = try stage.cway(
            home: home, ["connect", text, service, "--listen", "127.0.0.1:0", "--log-level", "trace"])
        let line = try await process.line()
        let port = try #require(line.split(separator: ":").last.flatMap { Int($0) }, "no port: \(line)")
        return (process, port)
    }

    /// Opens a connection through a forwarded echo service, and sees that bytes come back.
    func openEcho(as home: String, to text: String = petname) async throws -> LocalConnection {
        let connection = try await LocalConnection.dial(forward("echo", as: home, to: text).port)
        try await connection.expectEcho("hello from \(home)")
        return connection
    }
}

extension Stage {
    /// Runs `cway` to its end, and gives what it printed without the last line's end.
    @discardableResult
    func run(
        home: String, _ arguments: [String], code: Int32 = 0, within limit: Duration = .seconds(20)
    ) async throws -> String {
        let process = try cway(home: home, arguments)
        let ending = try await process.end(within: limit)
        guard ending == .exit(code) else {
            throw CwayProcess.Failure(
                description: "\(process.command): \(ending), and not \(code): \(process.log)")
        }
        return process.outputText.trimmingCharacters(in: .newlines)
    }
}

extension LocalConnection {
    /// Dials a forwarded echo service until it echoes, or until it refuses to.
    ///
    /// It refuses by a reset, which may already be there when the connection stands.
    static func dial(_ port: Int, untilEchoed isWanted: Bool) async throws {
        var echoed = !isWanted
        while echoed != isWanted {
            try Task.checkCancellation()
            guard let connection = try? await dial(port) else {
                echoed = false
                continue
            }
            try? await connection.send("echo?")
            echoed = (try? await connection.text(5)) == "echo?"
            await connection.close()
        }
    }

    /// Sends a text through an echo service, as the first on this connection, and awaits it.
    func expectEcho(_ text: String) async throws {
        try await send(text)
        let echoed = try await self.text(text.utf8.count)
        #expect(echoed == text)
    }
}
