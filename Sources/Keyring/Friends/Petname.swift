internal import LMDB
internal import TypedSodium

/// What the owner of a keyring calls a friend.
///
/// Letters, digits, and `.`, `_`, `-` in between: so that no name can be taken for an id, an address or an option,
/// and all can be printed.
enum Petname {
    static let byteCountLimit = 64

    static func isValid(_ name: String) -> Bool {
        guard (1...byteCountLimit).contains(name.utf8.count), let first = name.first, isAlphanumeric(first)
        else {
            return false
        }
        return name.allSatisfy { isAlphanumeric($0) || "._-".contains($0) }
    }

    /// The name for a friend whom nobody has named.
    static func fallback(_ key: PublicKey) -> String {
        let digits = key.bytes.array.prefix(4).map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return "friend-" + digits.joined()
    }

    /// The name in an invite's label; `nil` when nothing of it can stand in one.
    static func inside(_ label: String) -> String? {
        var name = ""
        for character in label {
            let next = isAlphanumeric(character) || "._-".contains(character) ? character : "-"
            if name.isEmpty, !isAlphanumeric(next) { continue }
            if next == "-", name.last == "-" { continue }
            guard name.utf8.count + next.utf8.count <= byteCountLimit - suffixByteCount else { break }
            name.append(next)
        }
        while name.last == "-" { name.removeLast() }
        return isValid(name) ? name : nil
    }

    /// The name itself where it is free, or with the first number that makes it so.
    static func free(
        _ name: String, _ transaction: borrowing KeyringWriting
    ) throws(KeyringError) -> String {
        var candidate = name
        var number = 2
        while try transaction.record(NameRecord.self, Array(candidate.utf8)) != nil {
            candidate = "\(name)-\(number)"
            number += 1
        }
        return candidate
    }

    /// Room for what makes a name different from others.
    private static let suffixByteCount = 8

    private static func isAlphanumeric(_ character: Character) -> Bool {
        character.isLetter || character.isNumber
    }
}
