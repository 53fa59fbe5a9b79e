/// What peers of other programs say of a call that failed, in words for people.
package enum RemoteWords {
    /// The message without what programs put around it, and without the method's name, which is said already.
    ///
    /// Sources of the texts: ssbc/muxrpc, permissions.js and local-api.js; ssbc/go-muxrpc, errors.go; Node's `Error`.
    package static func text(of message: String) -> String {
        let isRefusal = refusals.contains { message.contains($0) }
        guard !isRefusal else { return "the peer offers no such method to this node" }
        var words = message[...]
        while let wrapping = wrappings.first(where: words.hasPrefix) {
            words = words.dropFirst(wrapping.count)
        }
        if words.hasPrefix("no async:") { return "\(words): it may be a source, so try --source" }
        if words.hasPrefix("no source:") {
            return "\(words): it may be an async method, so leave out --source"
        }
        return words.isEmpty ? message : String(words)
    }

    private static let refusals = [
        "is not in list of allowed methods", "no such method", "no such command", "not a function",
    ]
    private static let wrappings = ["Error: ", "Error - ", "muxrpc CallError: ", "muxrpc: "]
}
