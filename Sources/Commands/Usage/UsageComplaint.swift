internal import ArgumentParser
internal import Node

/// What is said of a command line that cannot be understood: what is wrong with it, and what to type.
enum UsageComplaint {
    /// Two lines, for people.
    ///
    /// - Parameters:
    ///   - error: what ArgumentParser threw.
    ///   - arguments: the command line, without the program's name.
    /// - Returns: both lines, with their ends.
    static func text(for error: any Error, in arguments: [String]) -> String {
        let root = CommandTree(CwayCommand.self)
        let (place, word) = root.follow(arguments)
        if let word { return unknown(word, at: place, in: root) }
        return lines(reason(of: error, at: place, in: root), place.usage, place)
    }

    /// The same for `help NAME…`, where there is no command of that name; `nil` where there is.
    static func text(forHelpOn arguments: some Sequence<String>) -> String? {
        let root = CommandTree(CwayCommand.self)
        let (place, word) = root.follow(arguments)
        return word.map { unknown($0, at: place, in: root) }
    }

    private static func unknown(_ word: String, at place: CommandTree, in root: CommandTree) -> String {
        let near = place.suggestions(for: word, in: root).map { "'\($0)'" }
        let choice = [near.dropLast().joined(separator: ", "), near.last ?? ""].filter { !$0.isEmpty }
        let hint = near.isEmpty ? "" : ": did you mean \(choice.joined(separator: " or "))?"
        return lines("there is no command '\(place.path) \(shown(word))'\(hint)", place.commandList, place)
    }

    private static func lines(_ reason: String, _ usage: String, _ place: CommandTree) -> String {
        "cway: \(reason.printableLine)\nUsage: \(usage) (see '\(place.path) --help')\n"
    }

    /// In the manner of all other complaints: one line that begins in the middle of a sentence.
    private static func reason(of error: any Error, at place: CommandTree, in root: CommandTree) -> String {
        let message = shown(CwayCommand.message(for: error))
            .split(whereSeparator: \.isNewline).map(\.trimmed).joined(separator: " ")
        // Behind a value that is refused stands why, which may be a sentence of its own.
        let reason = message.parts(around: "': ").map(inSentence).joined(separator: "': ")
        let isBeforeCommand = place.path == root.path && reason.hasPrefix("unknown option")
        return isBeforeCommand
            ? "\(reason): options stand behind the command, as in 'cway id --json'" : reason
    }

    private static func inSentence(_ text: String) -> String {
        let second = text.dropFirst().first
        let begins = text.first?.isUppercase == true && second?.isUppercase == false
        let ended = text.hasSuffix(".") && !text.hasSuffix("..") ? String(text.dropLast()) : text
        return begins ? ended.prefix(1).lowercased() + ended.dropFirst() : ended
    }

    /// A code is a secret: nobody is to read it over a shoulder, or in a log of this output.
    private static func shown(_ text: String) -> String {
        var shown = text
        for code in [CodeText.invite(in: text), CodeText.portalInvite(in: text)].compactMap(\.self) {
            shown = shown.replacing(code, with: "(a code)")
        }
        return shown
    }
}

extension Substring {
    fileprivate var trimmed: String { String(self).trimmed }
}

extension String {
    /// The text before a mark and the one behind; all of it where the mark is not there.
    fileprivate func parts(around mark: String) -> [String] {
        guard let range = firstRange(of: mark) else { return [self] }
        return [String(self[..<range.lowerBound]), String(self[range.upperBound...])]
    }
}
