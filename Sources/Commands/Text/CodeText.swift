internal import Blinding
internal import Multiserver
internal import Node

/// Finds a code in what people paste: with white space and line breaks in it, in quotation marks, behind a byte order
/// mark, with words around it.
package enum CodeText {
    /// How much is looked through, in characters.
    static let limit = 65_536
    /// A code that is broken in more pieces is pasted again.
    private static let pieceCountLimit = 64
    /// A line that is broken in more pieces is pasted again.
    private static let joinedPieceLimit = 8
    /// Codes that a text may begin to have before the one that is meant.
    private static let startCountLimit = 8
    /// Marks that may stand around a code without white space between.
    private static let markupLimit = 3
    private static let marks = "\"'`´<>()[]{},;.!?*_|“”„‘’«»‹›「」"

    /// Whether a text has the beginning of a code or an address in it, of which more may come.
    package static func isBegun(in text: String) -> Bool {
        let letters = String(Compact(text).scalars.map(Character.init))
        return [InviteCode.prefix, "net:", "tunnel:", ":@"].contains { letters.contains($0) }
    }

    /// A text without what may stand around it: white space, quotation marks, what cannot be seen.
    package static func bare(_ text: String) -> String {
        String(Compact(text).scalars.map(Character.init)).trimmed(of: marks)
    }

    /// An id without what may stand around it, or a friend's name as it is.
    package static func name(in text: String) -> String {
        let bare = bare(text)
        return bare.hasPrefix("@") ? bare : text.trimmed
    }

    // MARK: Invites of friends

    /// The invite in a text: the first that is as it was printed; `nil` where there is none.
    package static func invite(in text: String) -> String? {
        let text = Compact(text)
        var start = 0
        for _ in 0..<startCountLimit {
            guard let found = text.firstOffset(of: InviteCode.prefix, from: start) else { return nil }
            if let code = invite(at: found, of: text) { return code }
            start = found + 1
        }
        return nil
    }

    /// Up to each place where the code may end, the shortest first: its checksum says where it does.
    private static func invite(at start: Int, of text: Compact) -> String? {
        var end = start + InviteCode.prefix.unicodeScalars.count
        for _ in 0..<pieceCountLimit {
            let before = end
            while end < text.scalars.count, isDigit(text.scalars[end]),
                end == before || !text.breaks.contains(end)
            {
                end += 1
            }
            guard end > before else { return nil }
            if let code = invite(in: text.text(start..<end), markedUpTo: markupLimit) { return code }
            // Only white space may stand inside.
            guard end < text.scalars.count, text.breaks.contains(end) else { return nil }
        }
        return nil
    }

    /// The code, without marks like those of `_this_` at its end, which might be digits as well.
    private static func invite(in digits: String, markedUpTo limit: Int) -> String? {
        var code = digits[...]
        for _ in 0...limit {
            if isInvite(String(code)) { return String(code) }
            guard code.last == "_" || code.last == "-" else { return nil }
            code.removeLast()
        }
        return nil
    }

    /// Whether it is one, or is refused for another reason than a mistake in copying it.
    private static func isInvite(_ text: String) -> Bool {
        do throws(InviteCodeError) {
            _ = try InviteCode(text)
            return true
        } catch {
            switch error {
            case .tooLong, .wrongPrefix, .padded, .foreignCharacter, .notCanonical, .truncated,
                .wrongChecksum:
                return false
            default: return true
            }
        }
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII
            && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "-"
                || scalar == "_")
    }

    // MARK: Invites to portals, and addresses

    /// The invite to a portal in a text, or the address of one; `nil` where there is neither.
    package static func portal(in text: String) -> String? {
        portalInvite(in: text) ?? first(isPortalAddress, in: text)
    }

    /// The invite to a portal in a text; `nil` where there is none.
    package static func portalInvite(in text: String) -> String? { first(isPortalInvite, in: text) }

    /// The address in a text, of whatever kind; `nil` where there is none.
    package static func address(in text: String) -> String? { first(isAddress, in: text) }

    private static func first(_ isWanted: (String) -> Bool, in text: String) -> String? {
        let pieces = Compact(text).pieces.map { $0.trimmed(of: marks) }.filter { !$0.isEmpty }
            .prefix(pieceCountLimit)
        // The fewest pieces first, so that no word before a code is taken for the beginning of its host.
        for count in 1...max(1, min(pieces.count, joinedPieceLimit)) {
            for start in pieces.indices where start + count <= pieces.endIndex {
                let text = pieces[start..<start + count].joined()
                if isWanted(text) { return text }
            }
        }
        return nil
    }

    private static func isAddress(_ text: String) -> Bool { (try? Address(text)) != nil }

    private static func isPortalInvite(_ text: String) -> Bool {
        guard text.contains("~") else { return false }
        return (try? PortalInvite(text)) != nil
    }

    private static func isPortalAddress(_ text: String) -> Bool {
        if case .peer? = try? Address(text) { return true }
        return false
    }
}

/// A text without white space and what cannot be seen, and where the white space was.
private struct Compact {
    var scalars: [Unicode.Scalar] = []
    /// Before which of them there was some.
    var breaks: Set<Int> = []

    init(_ text: String) {
        var isLineStart = true
        for scalar in text.unicodeScalars.prefix(CodeText.limit) {
            if scalar.properties.isWhitespace || isLineStart && scalar == ">" {
                // A mark at the start of a line is a mail program's, who quotes.
                breaks.insert(scalars.count)
                if scalar == "\n" || scalar == "\r" { isLineStart = true }
            } else if scalar.isPlain {
                scalars.append(scalar)
                isLineStart = false
            }
        }
    }

    func text(_ range: Range<Int>) -> String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars[range])
        return String(text)
    }

    /// What stands between white space.
    var pieces: [String] {
        let ends = breaks.sorted() + [scalars.count]
        var start = 0
        var pieces: [String] = []
        for end in ends where end > start {
            pieces.append(text(start..<end))
            start = end
        }
        return pieces
    }

    func firstOffset(of prefix: String, from start: Int) -> Int? {
        let wanted = Array(prefix.unicodeScalars)
        guard scalars.count >= wanted.count else { return nil }
        return (start..<max(start, scalars.count - wanted.count + 1)).first {
            scalars[$0..<$0 + wanted.count].elementsEqual(wanted)
        }
    }
}

extension String {
    fileprivate func trimmed(of marks: String) -> String {
        String(drop { marks.contains($0) }.reversed().drop { marks.contains($0) }.reversed())
    }
}
