internal import ArgumentParser
internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node
internal import TypedSodium

/// `cway friend remove`.
struct FriendRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Remove a friend, at once and in both directions.",
        discussion: """
            A node that runs closes the friend's sessions within two seconds, and portals know their token no more. \
            Every invite that ever admitted them is closed, so that they do not come back under another key; others who \
            had one of those in hand need a new one, which --renew makes, or this command offers on a terminal. Invites \
            made before do not let the same key in again, later ones do. This node's addresses get another key, which \
            the other friends fetch by themselves at their next connect; publish the new ones with `cway address`.

            JSON is {"name", "id", "invites"}, each invite {"id", "label", "wasOpen", "recorded", "uses", "usesLeft", \
            "services", "expires", "others", "renewed"}: recorded is false where it is not known whether the friend came \
            by it, because it is older than such records; others are the names of those who did; renewed is the code \
            that --renew has made, or null.

            EXAMPLES
              cway friend remove anna
              cway friend remove anna --renew --json | jq -r '.invites[].renewed'
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var argument: FriendArgument
    @Flag(name: .long, help: "Make a new invite in the place of each that others could still have redeemed.")
    private var renew = false
    @Flag(name: .long, help: "Print JSON.") private var json = false

    func run() async throws {
        let opened = try options.openIfPresent(for: .changing)
        let friend = try FriendReference.friend(argument.name, in: opened)
        guard let opened else { return }
        let removal = try opened.perform { (keyring) throws(KeyringError) in
            try keyring.friends.remove(friend.key, now: WallClock.seconds())
        }
        if !json { try CommandEnvironment.current.print("removed \(friend.name)") }
        var (list, fresh): ([JSONValue], [Renewed]) = ([], [])
        for found in removal.invites {
            if !json { CommandEnvironment.current.note(Self.words(found)) }
            let renewed = isRenewed(found) ? try await renewed(found.invite, opened) : nil
            if let renewed { fresh.append(renewed) }
            list.append(Self.json(found, renewed?.code))
            if !json, let renewed { try deliver(renewed.code, [renewed], opened) }
        }
        if json {
            let document: JSONValue = [
                "name": .string(friend.name), "id": .string(friend.key.id), "invites": .array(list),
            ]
            return try deliver(document.description, fresh, opened)
        }
        if removal.friend.admission != nil { try explain(opened) }
    }

    // MARK: Renewing

    /// A new invite in the place of one that was closed.
    private struct Renewed {
        let key: InviteKey
        let code: String
    }

    /// Prints what has codes in it; where that fails nobody may have them, so their invites are withdrawn.
    private func deliver(
        _ lines: String, _ fresh: [Renewed], _ opened: OpenedKeyring
    ) throws(CommandFailure) {
        try CodeDelivery.print(lines, isJSON: json) { () throws(CommandFailure) in
            try opened.perform { (keyring) throws(KeyringError) in
                for renewed in fresh { _ = try keyring.invites.revoke(renewed.key, now: WallClock.seconds()) }
            }
        }
    }

    /// Whether an invite that is closed now gets one in its place.
    private func isRenewed(_ found: InviteOfRemoved) -> Bool {
        guard found.wasOpen, found.invite.closing(at: WallClock.seconds()) == nil else { return false }
        if renew || json || !CommandEnvironment.current.isInteractive { return renew }
        return CommandEnvironment.current.isConfirmed("Make a new one for the others?")
    }

    /// A new invite with what was left of an old one; `nil` where this node has no portal to name in it.
    private func renewed(
        _ invite: InviteRecord, _ opened: OpenedKeyring
    ) async throws(CommandFailure) -> Renewed? {
        let portals = try await OwnPortals.find(named: [], opened, options.common)
        guard !portals.isEmpty else {
            CommandEnvironment.current.note(
                "No new invite: it would name this node's portals, and there is none.")
            return nil
        }
        let draft = InviteDraft(
            label: invite.label, services: invite.services, uses: invite.usesLeft, expiry: invite.expiry)
        let seed = try Self.seed()
        let key: InviteKey
        do throws(SodiumError) {
            key = InviteKey(try Identity(seed: seed).publicKey)
        } catch {
            throw CommandFailure(.unexpected, error)
        }
        return try opened.perform { (keyring) throws(KeyringError) in
            let code = try keyring.invites.create(
                draft, portals: portals, seed: seed, now: WallClock.seconds())
            do throws(InviteCodeError) {
                return Renewed(key: key, code: String(decoding: try code.encoded(), as: UTF8.self))
            } catch {
                throw .invite(error)
            }
        }
    }

    private static func seed() throws(CommandFailure) -> SecretKey {
        do throws(SodiumError) {
            return try SecretKey.random(guarded: true)
        } catch {
            throw CommandFailure(.unexpected, error)
        }
    }

    // MARK: Words

    private static func words(_ found: InviteOfRemoved) -> String {
        let invite = found.invite
        let name = InviteReference.name(invite.key, invite.label)
        let others = found.others.map(\.name)
        guard found.wasOpen else {
            return RemovedWords.others(
                "They came by \(name), which was \(invite.closing.words) already", others)
        }
        let words = RemovedWords.closed(name, invite.usesLeft, of: invite.uses, others: others)
        return found.isRecorded
            ? words : words + " It is not known whether they came by it: it is older than such records."
    }

    private static func json(_ found: InviteOfRemoved, _ code: String?) -> JSONValue {
        let invite = found.invite
        return [
            "id": .string(invite.key.publicKey.id), "label": .string(invite.label),
            "wasOpen": .bool(found.wasOpen), "recorded": .bool(found.isRecorded),
            "uses": .count(invite.uses), "usesLeft": .count(invite.usesLeft),
            "services": invite.services.json, "expires": .time(invite.expiry),
            "others": .array(found.others.map { .string($0.name) }), "renewed": .text(code),
        ]
    }

    private func explain(_ opened: OpenedKeyring) throws(CommandFailure) {
        let others = try opened.perform { (keyring) throws(KeyringError) in
            try keyring.friends.all().count { $0.admission != nil }
        }
        CommandEnvironment.current.note(
            """
            A node that runs closes their sessions within two seconds.
            This node's addresses are others from now on: publish those of `cway address`.
            """)
        if others > 0 {
            CommandEnvironment.current.note(
                "The access of the other \(others == 1 ? "friend" : "\(others) friends") renews by itself.")
        }
    }
}

/// What is said of the invites of somebody who was removed.
enum RemovedWords {
    /// An invite that was open and is closed.
    static func closed(_ name: String, _ usesLeft: Int, of uses: Int, others: [String]) -> String {
        Self.others("Closed \(name), with \(usesLeft) of \(uses) uses left", others)
    }

    /// With who else came by it.
    static func others(_ words: String, _ names: [String]) -> String {
        names.isEmpty
            ? "\(words)."
            : "\(words); also came by it: \(names.map(\.printableLine).joined(separator: ", "))."
    }
}
