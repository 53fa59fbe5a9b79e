internal import Connection
internal import MuxRPC
internal import Transport

/// What a portal says that a member may have and has had there, in its metadata.
///
/// Source: docs/protocol.md, "What a member may have".
struct MemberTraffic: Equatable, Sendable {
    /// From which share of the volume on it is worth a word.
    private static let warningShare = 0.9

    /// What has passed in this month, in bytes.
    let byteCount: Int
    /// What may.
    let limit: Int?
    /// What may in a second.
    let bytesPerSecond: Int?
    /// The day on which the next month begins, as the portal writes it.
    let until: String

    /// Reads metadata; `nil` where they say nothing of that.
    init?(_ metadata: JSONValue) {
        guard let traffic = metadata["traffic"], let byteCount = traffic["monthBytes"]?.integer else {
            return nil
        }
        self.byteCount = Int(clamping: byteCount)
        limit = traffic["monthLimit"]?.integer.map { Int(clamping: $0) }
        bytesPerSecond = traffic["bytesPerSecond"]?.integer.map { Int(clamping: $0) }
        until = ErrorText.cut(traffic["until"]?.string ?? "the next month")
    }

    /// Asks a portal; `nil` where it does not answer, or says nothing of that.
    static func ask(over link: NodeLink) async -> MemberTraffic? {
        guard case .value(let json)? = try? await link.call(Method.metadata.name) else { return nil }
        return MemberTraffic(json)
    }

    /// Whether all of it is used.
    var isUsedUp: Bool { limit.map { byteCount >= $0 } ?? false }

    /// Whether little is left.
    var isNearlyUsedUp: Bool { limit.map { Double(byteCount) >= Double($0) * Self.warningShare } ?? false }

    /// In a sentence.
    var words: String {
        let rate = bytesPerSecond.map { ", \(ByteText.text($0)) a second at most" } ?? ""
        guard let limit else { return "\(ByteText.text(byteCount)) had in this month\(rate)" }
        return "\(ByteText.text(byteCount)) of \(ByteText.text(limit)) had, before \(until) (UTC)\(rate)"
    }
}
