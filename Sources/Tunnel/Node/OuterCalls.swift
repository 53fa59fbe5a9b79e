internal import MuxRPC
internal import NIOCore
internal import SecureSession
internal import Sodium

/// What a node and its portal ask of each other, what stands in tunnels aside.
final class OuterCalls {
    private let configuration: NodeConnection.Configuration
    private let portal: PublicKey
    private let secure: SecureSession
    private let tunnels: TunnelTable
    private let outputs: NodeOutputs
    /// The latest `tunnel.announce`, whose end may come long after its answer.
    private var announceCall: RequestNumber?

    init(
        configuration: NodeConnection.Configuration, portal: PublicKey, secure: SecureSession,
        tunnels: TunnelTable, outputs: NodeOutputs
    ) {
        self.configuration = configuration
        self.portal = portal
        self.secure = secure
        self.tunnels = tunnels
        self.outputs = outputs
    }

    // MARK: What we ask

    func announce() { announceCall = try? secure.muxrpc.call(["tunnel", "announce"], []) }

    func receive(_ reply: Reply, to number: RequestNumber) {
        guard number == announceCall else {
            outputs.append(.reply(CallID(session: .outer, number: number), reply))
            return
        }
        if case .failure(let error) = reply {
            outputs.append(.announcementEnded(error))
        } else {
            outputs.append(.announced)
        }
    }

    func receive(lateFailure error: RemoteError, of number: RequestNumber) {
        if number == announceCall { outputs.append(.announcementEnded(error)) }
    }

    // MARK: What the portal asks

    /// Answers `tunnel.connect`: nothing else reaches an owner here.
    func answer(_ request: Request, at now: NIODeadline) {
        let connect = TunnelRequest(request.arguments)
        guard connect.isMeant(for: configuration.identity.publicKey, through: portal),
            let policy = configuration.policy
        else {
            let message = NodeErrorText.couldNotConnect(to: connect.targetText)
            secure.muxrpc.fail(request.stream, message: message)
            return
        }
        guard tunnels.unfinishedCount < NodeConnection.unfinishedHandshakeLimit else {
            secure.muxrpc.fail(request.stream, message: NodeErrorText.busy)
            return
        }
        let inner = SecureSession(
            answeringAs: configuration.identity, network: configuration.network,
            manifest: NodeManifest.friend, framing: .tunnelled)
        tunnels.add(inner, on: request.stream, target: connect.targetText, policy: policy, at: now)
    }
}
