package import ArgumentParser
internal import MuxRPC
internal import NIOCore
internal import Node
internal import Transport

/// `cway call`: any method of any peer.
package struct CallCommand: AsyncParsableCommand {
    /// What ArgumentParser needs to know.
    package static let configuration = CommandConfiguration(
        commandName: "call",
        abstract: "Call a method of a peer and print its answer as JSON.",
        discussion: """
            An answer that is text is printed as a JSON string, bytes as {"base64": "…"}. A source's items are printed \
            one per line as they come, until it ends or --limit is reached; bytes of more than 64 KiB come in pieces.

            Without --async or --source the peer's manifest says how to call the method. One that it does not list is \
            called as ssb programs have it, or as async where none has.

            A portal sees a fresh key, unless --real-id or --identify is given. Nothing that is called announces this \
            node: tunnel.announce is refused (run `cway serve`), and so are the lists of a portal that lists whoever \
            asks for them, where it would see a key that is this node's.

            EXAMPLES
              cway call net:portal.example:8008~shs:KEY whoami
              cway call net:portal.example:8008~shs:KEY tunnel.endpoints --limit 1
              cway call anna service.list
              cway call tunnel:@PORTAL.ed25519:@TARGET.ed25519~shs:TARGET service.list --portal net:…
            """)

    @OptionGroup private var options: KeyringOptions
    @OptionGroup private var dial: DialOptions
    @OptionGroup private var chosen: ChosenInstanceOptions

    @Argument(help: DialOptions.targetHelp)
    private var target: String

    @Argument(help: "The method, for example tunnel.ping.", transform: MethodName.init)
    private var method: MethodName

    @Argument(help: ArgumentHelp("The method's arguments, each one JSON value.", valueName: "json"))
    private var arguments: [String] = []

    @Flag(name: .customLong("async"), help: "Expect one answer, and do not ask for the manifest.")
    private var isAsync = false

    @Flag(name: .customLong("source"), help: "Expect a stream of items, and do not ask for the manifest.")
    private var isSource = false

    @Option(name: .long, help: ArgumentHelp("Stop a source after this many items.", valueName: "count"))
    private var limit: Int?

    /// Made by ArgumentParser.
    package init() {}

    /// Refuses what does not go together.
    package func validate() throws {
        guard !(isAsync && isSource) else {
            throw ValidationError("A method is called either with --async or with --source.")
        }
        guard limit ?? 1 > 0 else { throw ValidationError("--limit must be at least 1.") }
    }

    /// Calls, and prints.
    package func run() async throws {
        let values = try parsedArguments()
        let dialler = try await dial.dialler(to: target, instance: chosen.instance, options)
        let kind: CallKind? = isAsync ? .async : isSource ? .source : nil
        let call = MethodCall(
            name: method.parts, arguments: values, kind: kind, limit: limit,
            showsFreshKey: dial.showing.outerKey == .fresh)
        try await Interruption.run { eventLoop in
            try await dialler.withConnection(on: eventLoop, asksAgain: true) { try await call.run(on: $0) }
        }
    }

    private func parsedArguments() throws(CommandFailure) -> [JSONValue] {
        var values: [JSONValue] = []
        for (index, text) in arguments.enumerated() {
            do throws(JSONError) {
                values.append(try JSONValue(parsing: ByteBuffer(string: text)))
            } catch {
                throw CommandFailure(
                    .usage,
                    "argument \(index + 1) of the method is no JSON (\(error)): write text in double quotes, '\"text\"'"
                )
            }
        }
        return values
    }
}

/// The name of a method as it is written: parts joined with dots.
private struct MethodName: Sendable {
    let parts: [String]

    @Sendable init(_ text: String) throws {
        parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.allSatisfy({ !$0.isEmpty }) else {
            throw ValidationError("Write the parts of its name with dots between, like tunnel.ping.")
        }
    }
}
