internal import Multiserver
internal import PeerSupport

/// A portal, and an endpoint that is announced there, as processes.
struct CwayStage {
    /// Whose share of the portal a connection takes.
    enum Sources {
        /// That of its address: all of the benchmark's own have one share.
        case addresses
        /// One of its own, as if each came from an address of its own.
        case connections

        fileprivate var flags: [String] {
            self == .addresses ? [] : ["--count-apart"]
        }
    }

    /// The portal's process.
    let portal: Child
    /// The line that it prints: its address.
    let portalAddress: String
    /// The endpoint's process.
    let endpoint: Child
    /// The line that it prints: its tunnel address.
    let tunnelAddress: String
    private let stage: Stage

    /// Starts both; the service `bytes` leads to that port.
    ///
    /// `line` makes a line to the portal's port, through which the endpoint dials.
    init(
        _ stage: Stage, servicePort: UInt16, sources: Sources = .addresses,
        line: (UInt16) async throws -> UInt16 = { $0 }
    ) async throws {
        self.stage = stage
        let cway = try stage.cway()
        portal = try stage.launch(
            "portal", cway,
            [
                "portal", "--listen", "127.0.0.1:0", "--until-input-ends", "--home",
                try stage.makeFolder("portal"),
            ]
                + sources.flags)
        let address = try await portal.firstLine()
        portalAddress = address
        guard case .peer(let peer) = try Address(address) else {
            throw Stage.Failure(description: "no address of a portal: \(address)")
        }
        let dialled = address.replacing(":\(peer.net.port)~", with: ":\(try await line(peer.net.port))~")
        endpoint = try stage.launch(
            "endpoint", cway,
            [
                "serve", "--portal", dialled, "--service", "bytes=127.0.0.1:\(servicePort)",
                "--allow-anyone", "--until-input-ends", "--home", try stage.makeFolder("endpoint"),
            ])
        tunnelAddress = try await endpoint.firstLine()
    }

    /// Starts a client that forwards a local port; `portalPort` is where it finds the portal, if not at its
    /// own.
    func makeClient(throughPort portalPort: UInt16? = nil) async throws -> (child: Child, entry: UInt16) {
        let child = try stage.launch(
            "client", try stage.cway(),
            [
                "connect", tunnelAddress, "--portal", try address(throughPort: portalPort), "bytes",
                "--listen",
                "127.0.0.1:0", "--until-input-ends", "--home", try stage.makeFolder("client"),
            ])
        let line = try await child.firstLine()
        guard let port = line.split(separator: ":").last.flatMap({ UInt16($0) }) else {
            throw Stage.Failure(description: "the client printed no port: \(line)")
        }
        return (child, port)
    }

    /// The portal's address, with another port in it.
    private func address(throughPort port: UInt16?) throws -> String {
        guard let port else { return portalAddress }
        let own = try portalPort
        return portalAddress.replacing(":\(own)~", with: ":\(port)~")
    }

    /// The portal, for those who dial it from here.
    var portalPeer: PeerAddress {
        get throws {
            guard case .peer(let peer) = try Address(portalAddress) else {
                throw Stage.Failure(description: "no address of a portal: \(portalAddress)")
            }
            return peer
        }
    }

    /// The tunnel, for those who dial it from here.
    var tunnel: TunnelAddress {
        get throws {
            guard case .tunnel(let tunnel) = try Address(tunnelAddress) else {
                throw Stage.Failure(description: "no tunnel address: \(tunnelAddress)")
            }
            return tunnel
        }
    }

    /// Where the portal listens.
    var portalPort: UInt16 { get throws { try portalPeer.net.port } }

    /// Ends both processes.
    func end() { stage.end([portal, endpoint]) }
}

extension Way {
    /// Three `cway` processes, or four where a second client is wanted.
    static func cway(_ stage: Stage, withSecondClient: Bool = false) async throws -> Way {
        let service = try LoopbackSocket.listening()
        let cway = try await CwayStage(stage, servicePort: try service.port)
        let client = try await cway.makeClient()
        let second = withSecondClient ? try await cway.makeClient() : nil
        return Way(
            name: "cway", entry: client.entry, secondEntry: second?.entry, service: service,
            roles: [
                Role(name: "client", children: [client.child] + (second.map { [$0.child] } ?? [])),
                Role(name: "portal", children: [cway.portal]),
                Role(name: "endpoint", children: [cway.endpoint]),
            ])
    }
}
