import Commands
import Foundation
import Node
import Testing

@Suite("An invite whose code nobody got")
struct CodeDeliveryTests {
    /// What makes an invite, and what lists it.
    private static let makers: [[[String]]] = [
        [["invite", "create", "--portal", TestedHome.portal], ["invite", "list", "--json"]],
        [["invite", "create", "--portal", TestedHome.portal, "--qr"], ["invite", "list", "--json"]],
        [["invite", "create", "--portal", TestedHome.portal, "--json"], ["invite", "list", "--json"]],
        [
            ["portal", "invite", "--public-host", "portal.example.org:8008"],
            ["portal", "invites", "list", "--json"],
        ],
    ]

    private let home = TestedHome()

    private func expectWithdrawal(_ commands: [[String]], writingTo output: FileHandle) async throws {
        let run = try BuiltCway(
            commands[0][0], flags: commands[0].dropFirst() + ["--home", home.path], standardOutput: output)
        #expect(try await run.code() == ExitStatus.standardStreamFailed.rawValue, "\(run.complaints)")
        #expect(run.complaints.contains("withdrawn") && !run.complaints.contains("Hand it over"))
        let list = try await CommandRun(commands[1] + ["--home", home.path]).list
        #expect(list.map { $0["state"] as? String } == ["revoked"])
    }

    @Test("is withdrawn when there is no room for the code", arguments: makers)
    func full(_ commands: [[String]]) async throws {
        try await expectWithdrawal(
            commands, writingTo: try #require(FileHandle(forWritingAtPath: "/dev/full")))
    }

    @Test("is withdrawn when the reader is gone", arguments: makers)
    func gone(_ commands: [[String]]) async throws {
        let pipe = Pipe()
        try pipe.fileHandleForReading.close()
        try await expectWithdrawal(commands, writingTo: pipe.fileHandleForWriting)
    }
}
