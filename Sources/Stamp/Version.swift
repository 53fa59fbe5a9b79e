/// Which version of the program this is.
package enum Version {
    /// By the rules of semver.org: what scripts may rely on are commands, options, exit codes and JSON.
    package static let number = "0.1.0"

    /// The commit that it was built from, in twelve digits; `nil` for an archive of the sources, and without git.
    package static var commit: String? { stampedCommit }

    /// The version of Swift that it was built with; `nil` where the compiler did not say.
    package static var swift: String? { stampedSwift }

    /// For people, and for reports of faults: `cway 0.1.0 (1f2e3d4c5b6a)`.
    package static var text: String { "cway \(number)" + (commit.map { " (\($0))" } ?? "") }
}
