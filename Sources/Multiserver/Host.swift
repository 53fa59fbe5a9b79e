/// What may stand where a host is named, checked without asking anybody.
enum Host {
    /// The longest name of the domain name system in text, in bytes.
    ///
    /// Source: RFC 1035, section 2.3.4.
    static let byteCountLimit = 253

    /// The host as it is printed and dialled: brackets off, `localhost` for nothing.
    ///
    /// An empty host means `localhost` to multiserver's `net`, so it does here.
    static func normalized(_ text: some StringProtocol) throws(AddressError) -> String {
        guard !text.isEmpty else { return "localhost" }
        guard text.utf8.count <= byteCountLimit + 2 else { throw .badHost }
        if text.utf8.first == UInt8(ascii: "[") {
            let inner = text.dropFirst().dropLast()
            guard text.last == "]", isIPv6(inner) else { throw .badHost }
            return String(inner)
        }
        guard isIPv6(text) || isIPv4(text) || isName(text) else { throw .badHost }
        return String(text)
    }

    /// Whether it is an IPv6 address, with a zone (`%eth0`) or without.
    ///
    /// Source: RFC 4291, section 2.2; RFC 4007.
    static func isIPv6(_ text: some StringProtocol) -> Bool {
        guard text.utf8.count <= byteCountLimit else { return false }
        let halves = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        if halves.count == 2, !isZone(halves[1]) { return false }
        guard let address = halves.first else { return false }
        var groups = address.split(separator: ":", omittingEmptySubsequences: false)
        guard groups.count >= 3, groups.count <= 9 else { return false }

        if address.first == ":", !address.hasPrefix("::") { return false }
        if address.last == ":", !address.hasSuffix("::") { return false }
        // A leading or trailing `::` shows as two empty groups side by side; leave one for the check below.
        if groups[0].isEmpty, groups[1].isEmpty { groups.removeFirst() }
        if groups.count >= 2, groups[groups.count - 1].isEmpty, groups[groups.count - 2].isEmpty {
            groups.removeLast()
        }
        var wordCount = 0
        var gapCount = 0
        for (index, group) in groups.enumerated() {
            if group.isEmpty {
                gapCount += 1
            } else if isHexGroup(group) {
                wordCount += 1
            } else if index == groups.count - 1, isIPv4(group) {
                wordCount += 2
            } else {
                return false
            }
        }
        return gapCount == 0 ? wordCount == 8 : gapCount == 1 && wordCount <= 7
    }

    /// Whether it is four decimal numbers; a leading zero, octal to some resolvers, is refused.
    static func isIPv4(_ text: some StringProtocol) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                part.utf8.count <= 3 && part.utf8.allSatisfy(isDigit) && UInt8(part) != nil
                    && (part.utf8.count == 1 || part.utf8.first != UInt8(ascii: "0"))
            }
    }

    /// Whether it is a name: labels of letters, digits, hyphens and underscores between dots.
    ///
    /// A last label of digits alone is refused: resolvers take such names for oddly written IPv4 addresses.
    static func isName(_ text: some StringProtocol) -> Bool {
        guard text.utf8.count <= byteCountLimit else { return false }
        var labels = text.split(separator: ".", omittingEmptySubsequences: false)
        if labels.count > 1, labels[labels.count - 1].isEmpty { labels.removeLast() }
        guard let last = labels.last, !last.utf8.allSatisfy(isDigit) else { return false }
        return labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.utf8.allSatisfy(isLabelByte)
        }
    }

    private static func isHexGroup(_ group: some StringProtocol) -> Bool {
        group.utf8.count <= 4 && group.utf8.allSatisfy { isDigit($0) || (0x61...0x66).contains($0 | 0x20) }
    }

    private static func isZone(_ zone: some StringProtocol) -> Bool {
        !zone.isEmpty && zone.utf8.count <= 63
            && zone.utf8.allSatisfy { isLabelByte($0) || $0 == UInt8(ascii: ".") }
    }

    private static func isLabelByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x61...0x7a).contains(byte | 0x20) || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: "_")
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}
