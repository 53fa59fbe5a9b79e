package import Cluster
internal import Connection
internal import Multiserver
package import NIOCore
package import PortalCore
internal import SecretHandshake
internal import Synchronization
internal import TypedSodium

/// The links of this machine over TCP: it listens for other machines, dials them, and knows which links stand.
///
/// Tunnels are opened on sessions that this machine has dialled, one for each machine and event loop; the links for
/// messages are for both, whoever has dialled: where both did, either is used until it ends.
package final class ClusterLinks: MachineLinks {
    /// How long it may take to be connected and introduced.
    private static let dialTime = TimeAmount.seconds(3)
    /// How many accepted links may not have said yet which machine they come from; the oldest goes.
    package static let strangerLimit = 64
    /// How many links for messages one machine may have here; the oldest goes.
    private static let controlLimit = 4
    /// How long a machine may take nothing of what waits for it.
    private static let writeTime = LinkConnection.silenceTime

    private let portal: Portal
    private let terms: LinkTerms
    private let report: @Sendable (MachineLinkEvent) -> Void
    private let notes: @Sendable (PortalEvent) -> Void
    private let group: any EventLoopGroup
    private let register = Mutex(LinkRegister())

    /// The links of a machine of a portal.
    ///
    /// `report` is told what happens, on any event loop and in order, and `note` what the tunnels on them do. The first is
    /// called under a lock: it only takes note, and asks nothing of the links.
    /// - Throws: `SodiumError.outOfGuardedMemory`.
    package init(
        of portal: Portal, as machine: MachineID, on group: any EventLoopGroup,
        note: @escaping @Sendable (PortalEvent) -> Void = { _ in },
        report: @escaping @Sendable (MachineLinkEvent) -> Void
    ) throws {
        let keys = try ClusterKeys(portal: portal.identity)
        var network: [UInt8] = []
        keys.link.append(to: &network)
        let identity = try keys.identity(of: machine)
        let holder = KeyHolder(keys)
        terms = LinkTerms(
            network: NetworkIdentifier(try FixedBytes(network)), machine: machine.fixedBytes,
            identity: identity
        ) { holder.key(of: MachineID($0)) }
        (self.portal, self.group, self.report, notes) = (portal, group, report, note)
    }

    // MARK: Listening

    /// Accepts links from other machines.
    ///
    /// - Throws: the acceptor's error, such as that an address cannot be bound.
    package func listen(over acceptor: any Acceptor) async throws -> Listener {
        try await Listener.start(over: acceptor, group: group) { channel in
            channel.eventLoop.makeCompletedFuture {
                let mailbox = ChannelMailbox<LinkConnection>(eventLoop: channel.eventLoop)
                let machine = LinkConnection(
                    accepting: self.terms, portal: self.portal, mailbox: mailbox,
                    on: ObjectIdentifier(channel.eventLoop), at: .now())
                let number = try self.serve(channel, machine, mailbox) { _ in }
                let surplus = self.register.withLock {
                    $0.takeStrangerPlace(number, limit: Self.strangerLimit)
                }
                surplus?.close(promise: nil)
            }
        }
    }

    /// Gives a channel its machine; `introduced` is called when the other side has proved which machine it is.
    ///
    /// - Throws: ``LinkError/ended`` once all links are closed.
    private func serve(
        _ channel: any Channel, _ machine: LinkConnection, _ mailbox: ChannelMailbox<LinkConnection>,
        introduced: @escaping (Int) -> Void
    ) throws -> Int {
        guard let number = register.withLock({ $0.add(mailbox, channel) }) else { throw LinkError.ended }
        let handler = MachineHandler(
            machine, writeTime: Self.writeTime,
            perform: { [weak self] output in
                self?.perform(output, number)
                if case .introduced = output { introduced(number) }
            },
            ended: { [weak self] in
                mailbox.close()
                self?.ended(number)
            })
        mailbox.open(handler)
        do {
            try channel.pipeline.syncOperations.addHandler(handler)
        } catch {
            // A channel that is closed already never says that it is.
            mailbox.close()
            ended(number)
            throw error
        }
        return number
    }

    private func perform(_ output: LinkOutput, _ number: Int) {
        switch output {
        case .portal(.post(let message, let other)): other.post(message)
        case .portal(.event(let event)): notes(event)
        case .portal(.redeem), .portal(.work): break  // no link announces or redeems
        case .introduced(let name, let use):
            let surplus = register.withLock {
                $0.introduce(number, as: MachineID(name), for: use, limit: Self.controlLimit)
            }
            surplus?.close(promise: nil)
        case .controlStands:
            register.withLock { if let machine = $0.controlStands(number) { report(.up(machine)) } }
        case .heard: tell(number) { .heard($0) }
        case .message(let message): tell(number) { .message(message, from: $0) }
        }
    }

    private func tell(_ number: Int, _ event: (MachineID) -> MachineLinkEvent) {
        register.withLock { if let machine = $0.machine(of: number) { report(event(machine)) } }
    }

    /// A link is over: where it was the last for messages of its machine that is told.
    private func ended(_ number: Int) {
        register.withLock { if let machine = $0.remove(number) { report(.down(machine)) } }
    }

    // MARK: Dialling

    package func dial(_ machine: MachineID, at address: String) {
        let isBegun = register.withLock { register in
            // Who asks has not heard of it, or did not know the machine then.
            if register.isUp(machine) { report(.up(machine)) }
            return register.beginDial(machine)
        }
        guard isBegun else { return }
        connect(to: machine, at: address, on: group.next()).whenFailure { _ in
            self.register.withLock { if $0.dialFailed(machine) { self.report(.down(machine)) } }
        }
    }

    package func session(
        to machine: MachineID, at address: String, on loop: any EventLoop
    ) -> EventLoopFuture<ConnectionID?> {
        let key = LinkRegister.SessionKey(machine: machine, loop: ObjectIdentifier(loop))
        let promise = loop.makePromise(of: ConnectionID?.self)
        let known = register.withLock { $0.session(key, orDialled: promise.futureResult, at: .now()) }
        switch known {
        case .stands(let id)?: promise.succeed(id)
        case .failed?: promise.succeed(nil)
        case .dialled(let future)?: future.cascade(to: promise)
        case nil:
            connect(to: machine, at: address, session: key, on: loop).whenComplete { result in
                if case .failure = result { self.register.withLock { $0.sessionFailed(key, at: .now()) } }
                promise.succeed((try? result.get()) ?? nil)
            }
        }
        return promise.futureResult
    }

    /// Dials a link for messages, or with a key that session; done when both machines are introduced.
    private func connect(
        to machine: MachineID, at address: String, session: LinkRegister.SessionKey? = nil,
        on loop: any EventLoop
    ) -> EventLoopFuture<ConnectionID?> {
        let stands = loop.makePromise(of: ConnectionID?.self)
        do {
            guard let key = terms.key(machine.fixedBytes) else { throw LinkError.noSuchMachine }
            let connector = TCPConnector(try NetAddress(hostAndPort: address))
            let timeout = loop.scheduleTask(in: Self.dialTime) { stands.fail(LinkError.timedOut) }
            stands.futureResult.whenComplete { _ in timeout.cancel() }
            connector.connect(on: loop) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try self.begin(channel, to: machine, key, session: session, stands)
                }
            }.whenComplete { result in
                switch result {
                case .success(let channel):
                    channel.closeFuture.whenComplete { _ in stands.fail(LinkError.ended) }
                    stands.futureResult.whenFailure { _ in channel.close(promise: nil) }
                case .failure(let error): stands.fail(error)
                }
            }
        } catch {
            stands.fail(error)
        }
        return stands.futureResult
    }

    private func begin(
        _ channel: any Channel, to machine: MachineID, _ key: PublicKey, session: LinkRegister.SessionKey?,
        _ stands: EventLoopPromise<ConnectionID?>
    ) throws {
        let mailbox = ChannelMailbox<LinkConnection>(eventLoop: channel.eventLoop)
        let link = try LinkConnection(
            dialling: machine.fixedBytes, key: key, for: session == nil ? .control : .tunnels, terms,
            portal: portal, mailbox: mailbox, on: ObjectIdentifier(channel.eventLoop), at: .now())
        _ = try serve(channel, link, mailbox) { number in
            if let session, let id = link.id {
                self.register.withLock { $0.sessionStands(session, id, over: number) }
            }
            stands.succeed(link.id)
        }
    }

    // MARK: Using and ending

    package func send(_ message: [UInt8], to machine: MachineID) {
        register.withLock { $0.control(to: machine) }?.act { _ = $0.send(message) }
    }

    package func hangUp(_ machine: MachineID) {
        for channel in register.withLock({ $0.channels(of: machine) }) { channel.close(promise: nil) }
    }

    /// Ends every link in good order, and returns when the last is gone; none is made any more.
    package func close() async {
        let all = register.withLock { $0.beginClosing() }
        for link in all { link.mailbox.act { $0.close(at: .now()) } }
        for link in all {
            do {
                try await link.channel.closeFuture.get()
            } catch {
                continue  // closed with an error is closed
            }
        }
    }
}

/// Why a link was not made.
package enum LinkError: Error, Equatable, Sendable {
    /// Nothing has that name.
    case noSuchMachine
    /// It took too long.
    case timedOut
    /// The other side has ended it.
    case ended
}

/// The cluster's keys, asked on any thread for what another machine proves to be.
private final class KeyHolder: Sendable {
    private let keys: ClusterKeys

    init(_ keys: consuming ClusterKeys) { self.keys = keys }

    func key(of machine: MachineID) -> PublicKey? { try? keys.identity(of: machine).publicKey }
}
