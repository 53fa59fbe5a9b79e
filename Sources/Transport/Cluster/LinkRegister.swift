internal import Cluster
internal import NIOCore
internal import PortalCore

/// Which links of a machine stand, and which are dialled.
///
/// ### Invariants
/// - A machine is told to be up by the first of its links for messages, and down by the last.
/// - There is one session for each machine and event loop.
struct LinkRegister {
    struct SessionKey: Hashable {
        let machine: MachineID
        let loop: ObjectIdentifier
    }

    struct Link {
        let mailbox: ChannelMailbox<LinkConnection>
        let channel: any Channel
        /// The other machine, once it has proved to be that.
        var machine: MachineID?
        var isControl = false
        var isUp = false
        /// The session that it is.
        var session: SessionKey?
    }

    /// A session for tunnels.
    enum Session {
        case dialled(EventLoopFuture<ConnectionID?>)
        case stands(ConnectionID)
        case failed(at: NIODeadline)
    }

    /// How long after a session could not be made the next is tried.
    private static let redialTime = TimeAmount.milliseconds(500)

    private var links: [Int: Link] = [:]
    private var sessions: [SessionKey: Session] = [:]
    /// The machines whose links for messages are dialled.
    private var dialled: Set<MachineID> = []
    private var lastNumber = 0
    /// Those that were accepted and have not said yet which machine they come from, the oldest first.
    private var strangers: [Int] = []
    /// Whether no link is made any more.
    private var isClosing = false

    // MARK: Links come and go

    /// A link was accepted; the oldest that has not said yet where it comes from, where there are too many of those.
    mutating func takeStrangerPlace(_ number: Int, limit: Int) -> (any Channel)? {
        strangers.append(number)
        return strangers.count > limit ? links[strangers.removeFirst()]?.channel : nil
    }

    /// The number of another link; `nil` where none is made any more.
    mutating func add(_ mailbox: ChannelMailbox<LinkConnection>, _ channel: any Channel) -> Int? {
        guard !isClosing else { return nil }
        lastNumber += 1
        links[lastNumber] = Link(mailbox: mailbox, channel: channel)
        return lastNumber
    }

    /// The other side has proved which machine it is; the link that has to go because there are too many.
    mutating func introduce(
        _ number: Int, as machine: MachineID, for use: LinkUse, limit: Int
    ) -> (any Channel)? {
        strangers.removeAll { $0 == number }
        links[number]?.machine = machine
        links[number]?.isControl = use == .control
        guard use == .control else { return nil }
        let others = controls(of: machine)
        guard others.count > limit, let oldest = others.first else { return nil }
        return links[oldest]?.channel
    }

    /// Messages can be sent on a link; its machine, where that is up only now.
    mutating func controlStands(_ number: Int) -> MachineID? {
        guard let machine = links[number]?.machine else { return nil }
        dialled.remove(machine)
        let wasUp = isUp(machine)
        links[number]?.isUp = true
        return wasUp ? nil : machine
    }

    /// A link is over; its machine, where that is not up any more.
    mutating func remove(_ number: Int) -> MachineID? {
        strangers.removeAll { $0 == number }
        guard let link = links.removeValue(forKey: number), let machine = link.machine else { return nil }
        if let session = link.session { sessions[session] = nil }
        return link.isUp && !isUp(machine) ? machine : nil
    }

    /// No link is made any more; those that there are.
    mutating func beginClosing() -> [Link] {
        isClosing = true
        return Array(links.values)
    }

    func machine(of number: Int) -> MachineID? { links[number]?.machine }

    private func controls(of machine: MachineID) -> [Int] {
        links.filter { $0.value.isControl && $0.value.machine == machine }.keys.sorted()
    }

    func isUp(_ machine: MachineID) -> Bool {
        links.values.contains { $0.isUp && $0.machine == machine }
    }

    /// What reaches a machine with a message: its newest link.
    func control(to machine: MachineID) -> ChannelMailbox<LinkConnection>? {
        controls(of: machine).last { links[$0]?.isUp == true }.flatMap { links[$0]?.mailbox }
    }

    func channels(of machine: MachineID) -> [any Channel] {
        links.values.filter { $0.machine == machine }.map(\.channel)
    }

    // MARK: Dialling

    /// Whether the link for messages to a machine is to be dialled: it does not stand, and is not dialled yet.
    mutating func beginDial(_ machine: MachineID) -> Bool {
        !isUp(machine) && dialled.insert(machine).inserted
    }

    /// A link was dialled in vain; whether its machine is not up.
    mutating func dialFailed(_ machine: MachineID) -> Bool {
        dialled.remove(machine) != nil && !isUp(machine)
    }

    /// The session to a machine, where one stands, is dialled, or could not be made just now; otherwise it is dialled
    /// from now on, with this end.
    mutating func session(
        _ key: SessionKey, orDialled future: EventLoopFuture<ConnectionID?>, at now: NIODeadline
    ) -> Session? {
        switch sessions[key] {
        case .failed(let time)? where now - time >= Self.redialTime: break
        case let known?: return known
        case nil: break
        }
        // A machine that starts again has another name, so what was tried in vain would pile up.
        sessions = sessions.filter {
            if case .failed(let time) = $0.value { now - time < Self.redialTime } else { true }
        }
        sessions[key] = .dialled(future)
        return nil
    }

    mutating func sessionStands(_ key: SessionKey, _ id: ConnectionID, over number: Int) {
        sessions[key] = .stands(id)
        links[number]?.session = key
    }

    mutating func sessionFailed(_ key: SessionKey, at now: NIODeadline) { sessions[key] = .failed(at: now) }
}
