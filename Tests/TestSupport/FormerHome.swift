import Foundation

/// Homes as earlier versions of the program wrote them.
///
/// `schema-1` was written on 2026-11-27 by the program of commit 3ca4a03. Its owner is the tests' person 1, at the time
/// of their `now`; in it are: friends anna (2, by the invite 100, and reached), office (3) and office-2 (4, both by 101),
/// dora (5, by id, and by 101 without a trace), emil (6, by 102), frida (7, reached), gustav (8, his invite pending)
/// and ines (10, by 106); hans (9, by 106), who was removed; invites used up (100), revoked (102, 106), expired (103)
/// and open (101, 104, 105); portals hidden (0, 2) and open (1); members 20 (by 110), 21 (by id) and 24 (by 112), one who
/// was removed (22, by 111) and one who is denied (23); and a backup.
package enum FormerHome {
    /// The files of a home.
    package static let names = ["secret", "keyring.mdb", "keyring.vault", "backup"]

    /// Copies the files of a home into a folder, with the permissions that they had.
    package static func copy(schema: Int, to folder: String) throws {
        for name in names {
            let source = Bundle.module.url(
                forResource: name, withExtension: nil, subdirectory: "Homes/schema-\(schema)")
            let place = folder + "/" + name
            guard let source else { throw CocoaError(.fileNoSuchFile) }
            let bytes = try Data(contentsOf: source)
            try bytes.write(to: URL(fileURLWithPath: place))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: place)
        }
    }
}
