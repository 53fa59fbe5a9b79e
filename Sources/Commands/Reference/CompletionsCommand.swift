internal import ArgumentParser

/// `cway completions`: what a shell needs to complete a command line.
struct CompletionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions",
        abstract: "Print the script with which a shell completes commands and options.",
        discussion: """
            A package has put it where the shell looks. Otherwise:

            EXAMPLES
              cway completions bash > ~/.local/share/bash-completion/completions/cway
              cway completions zsh > ~/.zfunc/_cway        (with fpath+=~/.zfunc in ~/.zshrc)
              cway completions fish > ~/.config/fish/completions/cway.fish
            """)

    /// The shells that ArgumentParser writes for.
    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish
    }

    @Argument(help: ArgumentHelp("bash, zsh or fish.", valueName: "shell")) private var shell: Shell

    func run() async throws {
        guard let shell = CompletionShell(rawValue: shell.rawValue) else { return }
        try CommandEnvironment.current.print(exactly: CwayCommand.completionScript(for: shell))
    }
}
