import Foundation
import PackagePlugin

/// Writes the commit that is checked out, and the compiler's version, into a source file, again whenever the commit
/// changes.
///
/// Without git, and in an archive of the sources, it writes that the commit is not known. `Context.gitInformation` in
/// the manifest would be less: SwiftPM keeps what it has read of a manifest until that changes. And a command of
/// SwiftPM's kind `prebuild` is left out while no file has come or gone.
@main
struct StampPlugin: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) -> [Command] {
        let package = context.package.directoryURL
        let file = context.pluginWorkDirectoryURL.appending(path: "Commit.swift")
        return [
            .buildCommand(
                displayName: "Stamping the commit",
                executable: URL(filePath: "/bin/sh"),
                arguments: ["-c", Self.script, "sh", package.path(), file.path()],
                inputFiles: Self.watchedFiles(in: package), outputFiles: [file])
        ]
    }

    /// What git writes to when another commit is checked out.
    private static func watchedFiles(in package: URL) -> [URL] {
        var git = package.appending(path: ".git")
        // A work tree's is a file that says where its folder is.
        let pointer = "gitdir: "
        if let text = try? String(contentsOf: git, encoding: .utf8), text.hasPrefix(pointer) {
            let path = text.dropFirst(pointer.count).trimmingCharacters(in: .newlines)
            git = URL(filePath: path, relativeTo: package)
        }
        return ["HEAD", "logs/HEAD"].map { git.appending(path: $0) }
            .filter { FileManager.default.fileExists(atPath: $0.path()) }
    }

    private static let script = """
        unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
        commit=
        # An archive that was unpacked inside another repository is not that repository's.
        if prefix=$(git -C "$1" rev-parse --show-prefix 2>/dev/null) && [ -z "$prefix" ]; then
            commit=$(git -C "$1" rev-parse --short=12 HEAD 2>/dev/null)
        fi
        swift=$(swiftc --version 2>/dev/null | sed -n 's/.*Swift version \\([0-9][0-9.]*\\).*/\\1/p' | head -n 1)
        {
        case $commit in
            "" | *[!0-9a-f]*) echo 'let stampedCommit: String? = nil' ;;
            *) echo "let stampedCommit: String? = \\"$commit\\"" ;;
        esac
        case $swift in
            "") echo 'let stampedSwift: String? = nil' ;;
            *) echo "let stampedSwift: String? = \\"$swift\\"" ;;
        esac
        } >"$2"
        """
}
