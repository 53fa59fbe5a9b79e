internal import Blinding
internal import Keyring
internal import Multiserver
internal import Node
internal import PortalCore
internal import TypedSodium
internal import Watching

extension PageSource {
    /// The page of a portal that runs.
    init(_ running: RunningPortal, _ owner: PortalOperator, _ sizes: ProcessSizes) {
        self.init(
            content: { await PageContent(running, owner, sizes) },
            sample: { RateSample(running.portal?.metrics ?? PortalMetrics()) },
            perform: { await PageOutcome(of: $0, by: owner) })
    }
}

extension PageContent {
    fileprivate init(_ running: RunningPortal, _ owner: PortalOperator, _ sizes: ProcessSizes) async {
        self.init()
        addresses = running.addresses.map(\.description)
        isListening = running.isListening
        if let portal = running.portal { show(portal) }
        connectionLimit = sizes.connectionCount
        let process = ProcessNumbers.current()
        (residentByteCount, descriptorCount) = (process.residentByteCount, process.descriptorCount)
        do {
            show(try await owner.books(), running.portal?.traffic)
        } catch {
            trouble = "The keyring cannot be read: \(ErrorWords.text(of: error))."
        }
    }

    private mutating func show(_ portal: Portal) {
        let metrics = portal.metrics
        connectionCount = metrics.connectionCount
        tunnelCount = metrics.tunnelCount
        (heldByteCount, heldByteLimit) = (metrics.heldByteCount, metrics.holdableByteCount)
        relayedByteCount = metrics.relayedByteCount
        let attendance = portal.attendance
        endpointCount = attendance.ids.count
        endpoints = Array(attendance.ids.prefix(Self.rowLimit))
        hiddenEndpointCount = Blur.blurred.people(attendance.hiddenCount)
        refusals = metrics.refusals
    }

    private mutating func show(_ books: PortalOperator.Books, _ traffic: TrafficLedger?) {
        let denied = Set(books.denials.map(\.key))
        members = books.members.map { member in
            var shown = Member(
                id: member.key.id, label: member.label, since: member.since,
                isDenied: denied.contains(member.key))
            if let usage = traffic?.usage(of: .member(member.key)) {
                (shown.monthByteCount, shown.isUsedUp) = (usage.byteCount, usage.isUsedUp)
            }
            return shown
        }
        let now = WallClock.seconds()
        invites = books.invites.map { invite in
            let closing = invite.closing(at: now)
            return Invite(
                id: invite.key.publicKey.id, label: invite.label, usesLeft: invite.usesLeft,
                uses: invite.uses, expiry: invite.expiry, closing: closing == nil ? nil : closing.words)
        }
        denials = books.denials.map { Denial(id: $0.key.id, since: $0.since) }
        policy =
            switch (books.policy.announcers, books.policy.callers) {
            case (.everyone, .everyone): "Everyone may announce and call."
            case (.members, .everyone): "Members may announce; everyone may call."
            case (.everyone, .members): "Everyone may announce; members may call."
            case (.members, .members): "Members alone may announce and call."
            }
    }
}

extension PageOutcome {
    /// Has something done, and says what came of it.
    fileprivate init(of action: PageAction, by owner: PortalOperator) async {
        do {
            self = try await Self.perform(action, by: owner)
        } catch is PortalOperator.NotListening {
            self = .refused("The portal does not listen yet: try again in a moment.")
        } catch is AddressError {
            self = .refused("Nothing was changed: that is no id.")
        } catch {
            self = .refused("Nothing was changed: \(ErrorWords.text(of: error)).")
        }
    }

    private static func perform(
        _ action: PageAction, by owner: PortalOperator
    ) async throws -> PageOutcome {
        switch action {
        case .invite(let label, let uses, let days):
            let code = try await owner.invite(
                label: label, uses: uses, seconds: days.map { UInt64($0) * 86_400 })
            let times = uses == 1 ? "once" : "\(uses) times"
            return .code(
                code, label.isEmpty ? "An invite, good \(times):" : "An invite for \(label), good \(times):")
        case .revoke(let id):
            let wasOpen = try await owner.revoke(PublicKey(id: id))
            return .done(wasOpen ? "The invite is revoked." : "The invite was closed already.")
        case .deny(let id):
            try await owner.deny(PublicKey(id: id))
            return .done("\(id) is denied: its connections end within a second.")
        case .allow(let id):
            let wasDenied = try await owner.allow(PublicKey(id: id))
            return .done(wasDenied ? "\(id) is served again." : "\(id) was not denied.")
        case .remove(let id):
            guard let count = try await owner.remove(PublicKey(id: id)) else {
                return .refused("\(id) is no member.")
            }
            let words =
                switch count {
                case 0: ""
                case 1: " The invite that admitted it is revoked."
                default: " The \(count) invites that admitted it are revoked."
                }
            return .done("\(id) is a member no longer.\(words)")
        }
    }
}

extension RateSample {
    fileprivate init(_ metrics: PortalMetrics) {
        self.init()
        relayedByteCount = metrics.relayedByteCount
        tunnelCount = metrics.tunnels.values.reduce(0, +)
        refusalCount = metrics.refusals.reduce(0) { $0 + $1.count }
        connectionCount = metrics.connectionCount
    }
}

extension PortalMetrics {
    /// What was refused, in words, the most frequent first.
    fileprivate var refusals: [PageContent.Refusal] {
        var refusals: [PageContent.Refusal] = []
        func add<Kind>(_ counts: [Kind: Int], _ words: (Kind) -> String) {
            for (kind, count) in counts where count > 0 { refusals.append(.init(words(kind), count)) }
        }
        add(limitedConnections) { limit in
            switch limit {
            case .connections: "Connection: its address has its share"
            case .handshakes: "Connection: its address dials too fast"
            case .handshakesWaiting: "Connection: too many handshakes waited"
            case .trials: "Connection: too many were tried without a place"
            case .proxyHeaders: "Connection: a trusted proxy sent no header"
            }
        }
        add(handshakes.filter { $0.key != .succeeded && $0.key != .denied }) { outcome in
            switch outcome {
            case .succeeded, .denied: ""
            case .turnedAway: "Handshake: no place for the peer"
            case .timedOut: "Handshake: it took too long"
            case .displaced: "Handshake: it made room for another"
            case .failed: "Handshake: it failed, or the peer was gone"
            }
        }
        add([true: denialCount]) { _ in "Peer: denied, or no member" }
        add(announcementRefusals) { "Announcement: \($0.message)" }
        add(tunnelRefusals) { kind in
            switch kind {
            case .invalidArguments: "Call: it asked for nothing that there is"
            case .wrongPortal: "Call: it meant another portal"
            case .toSelf: "Call: to itself"
            case .unreachable: "Call: nobody there"
            case .tooManyTunnels: "Call: the caller has too many tunnels"
            case .busy: "Call: the endpoint has no place"
            case .membersOnly: "Call: members alone may call"
            case .volumeUsedUp: "Call: this month's volume is used up"
            case .notReachable: "Call: the machine with the target is not reached"
            }
        }
        add(tunnelCuts) { "Tunnel cut: \($0.message)" }
        return refusals.sorted { ($1.count, $0.reason) < ($0.count, $1.reason) }
    }
}
