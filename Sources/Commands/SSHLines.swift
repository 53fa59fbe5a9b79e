internal import ArgumentParser

/// What goes into ssh's configuration.
enum SSHLines {
    /// One entry, which `ssh HOST` uses.
    ///
    /// The alias keeps the host's key apart from those of other hosts, none of which is called so.
    static func text(host: String, service: String, user: String?, command: [String]) -> String {
        // Of other services of the same friend each has a name of its own: ssh takes the first entry of a name.
        let name = (service == "ssh" ? host : "\(host)-\(service.replacing("/", with: "-"))")
            .filter { $0.isLetter || $0.isNumber || "._-".contains($0) }
        let lines = [
            "Host \(name)", "HostKeyAlias \(name)", user.map { "User \($0)" },
            "ProxyCommand \(command.map(quoted).joined(separator: " "))",
        ]
        return lines.compactMap(\.self).joined(separator: "\n    ")
    }

    /// A name that ssh takes for nothing else.
    ///
    /// - Throws: `ValidationError`.
    @Sendable static func user(_ text: String) throws -> String {
        let isName = text.utf8.allSatisfy { (0x21..<0x7F).contains($0) && !"\"'#%\\=,".utf8.contains($0) }
        guard isName, !text.isEmpty, !text.hasPrefix("-") else {
            throw ValidationError("Write the name alone, like me.")
        }
        return text
    }

    /// For the shell that ssh runs the command in; and ssh itself takes `%` for the start of a token.
    private static func quoted(_ word: String) -> String {
        let escaped = word.replacing("'", with: "'\\''").replacing("%", with: "%%")
        return "'\(escaped)'"
    }
}
