internal import Blinding
internal import Invitation
internal import Keyring
internal import Multiserver
internal import MuxRPC
internal import Node

extension Friend {
    /// How this node reaches the friend, in a word or two.
    var reachWords: String {
        guard let reach, !reach.portals.isEmpty else { return "no" }
        if reach.isPending { return "not yet: invite pending" }
        return reach.portals.count == 1 ? "1 portal" : "\(reach.portals.count) portals"
    }

    /// All that is known, for people: one line for each fact.
    var facts: String {
        var lines = ["name       \(name)", "id         \(key.id)"]
        if let admission {
            let way = admission.invite.map { "by invite \($0.publicKey.id)" } ?? "by id"
            lines.append(
                "may open   \(admission.services.words), since \(TimeText.text(admission.since)), \(way)")
            lines += admission.uses.list.filter { $0.invite != admission.invite }.map {
                "also by    \($0.invite.publicKey.id), at \(TimeText.text($0.at))"
            }
            if !admission.uses.isComplete {
                lines.append("also by    maybe others, from before every invite was recorded")
            }
        } else {
            lines.append("may open   nothing: they may not reach this node")
        }
        if let reach {
            if let name = reach.nodeName { lines.append("calls it   \(name.printableLine)") }
            lines.append("reached    \(reachWords)")
            lines += reach.portals.map { "  \($0.manner.padded(to: 6))   \($0.addressText)" }
        } else {
            lines.append("reached    no: they have not invited this node")
        }
        lines.append("last seen  \(lastSeen.map(TimeText.text) ?? "never")")
        return lines.joined(separator: "\n")
    }

    /// All that is known, for programs.
    var json: JSONValue {
        [
            "name": .string(name), "id": .string(key.id), "admission": admission?.json ?? .null,
            "reach": reach?.json ?? .null, "lastSeen": .time(lastSeen),
        ]
    }
}

extension Admission {
    fileprivate var json: JSONValue {
        [
            "services": services.json, "invite": .text(invite?.publicKey.id), "since": .time(since),
            "invites": .array(uses.list.map { .string($0.invite.publicKey.id) }),
            "invitesComplete": .bool(uses.isComplete),
        ]
    }
}

extension Reach {
    fileprivate var json: JSONValue {
        [
            "name": .text(nodeName), "pending": .bool(isPending),
            "resolves": .bool(generation != nil),
            "portals": .array(
                portals.map { ["address": .string($0.addressText), "hidden": .bool(!$0.isOpen)] }),
        ]
    }
}

extension String {
    /// The text with spaces behind it up to a width.
    fileprivate func padded(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
