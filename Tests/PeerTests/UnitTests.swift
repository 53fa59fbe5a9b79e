import Foundation
import Glibc
import Node
import PeerSupport
import Testing

extension Heavy {
    @Suite("Units, as systemd sees them")
    struct UnitTests {
        /// The greatest exposure that `systemd-analyze security` may find, in tenths.
        private static let exposureLimit = 20

        private static let units = ServiceUnit.Role.allCases.flatMap { role in
            ServiceUnit.Scope.allCases.map { ServiceUnit(role, $0, program: "/bin/true") }
        }

        @Test("are understood, and let little through", .needs(.systemd), arguments: units)
        func sandbox(_ unit: ServiceUnit) async throws {
            let analyzer = try HeavyPeer.systemd.required()
            try await PeerStage.run { stage in
                let files = try unit.files().map { try stage.write($0.text, to: $0.name) }
                for file in files where file.hasSuffix(".service") {
                    let security = try stage.start(
                        analyzer,
                        [
                            "security", "--no-pager", "--offline=true", "--threshold=\(Self.exposureLimit)",
                            file,
                        ])
                    #expect(try await security.end() == .exit(0), "\(security.outputText)")
                }
                // It says what it does not understand, and ends well; a user's manager would be needed for its units.
                let verify = try stage.start(analyzer, ["verify", "--man=no"] + files)
                try await verify.end()
                let complaints = verify.log.split(separator: "\n").filter { $0.contains("cway-") }
                #expect(complaints.isEmpty, "\(verify.log)")
            }
        }
    }
}
