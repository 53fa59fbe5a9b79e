import Foundation
import Glibc
import PeerSupport
import Testing

extension Integration {
    /// Home folders on odd disks, under odd names and within odd limits.
    @Suite("Home folders")
    struct HomeTests {
        private static let portal =
            "net:portal.example.org:8008~shs:51w4nYL0k7mRzVRxdsc0eFZCIYRa2xgzKDKNcmVXTJ8="

        /// Runs a script of the shell's, in which `$cway` is the program and `$home` a home with a keyring.
        private static func shell(
            _ script: String, as launcher: [String] = [], on stage: Stage
        ) async throws -> (code: Int32, said: String) {
            let program = launcher.first ?? "/bin/sh"
            let process = try stage.start(
                URL(fileURLWithPath: program),
                launcher.dropFirst() + (launcher.isEmpty ? [] : ["sh"]) + ["-c", script],
                environment: [
                    "cway": try Cway.program().path, "home": stage.path("home"), "folder": stage.folder.path,
                ])
            guard case .exit(let code) = try await process.end(within: .seconds(60)) else {
                return (-1, process.log)
            }
            return (code, process.outputText + process.log)
        }

        private static func prepare(_ stage: Stage) async throws {
            try await stage.run(home: "home", ["portals", "add", portal])
            try await stage.run(home: "home", ["invite", "create"])
        }

        // MARK: Room

        /// How little room a home has.
        enum Room: CaseIterable, Sendable {
            /// A full disk of its own, where this user may mount one.
            case fullDisk
            /// The largest size of a file, which every user may lower.
            case smallFiles

            /// Those that can be had here.
            static func available() async throws -> [Room] {
                try await Stage.run { stage in
                    let trial = try await shell("mount -t tmpfs none /mnt", as: mounting, on: stage)
                    return trial.code == 0 ? allCases : [.smallFiles]
                }
            }

            /// What comes before a command that is to have it; the home is `$home` then.
            var preparation: String {
                switch self {
                case .fullDisk:
                    """
                    mkdir -p "$folder/disk" && mount -t tmpfs -o size=200k,mode=700 none "$folder/disk" &&
                    cp "$home/secret" "$home/keyring.mdb" "$home/keyring.vault" "$folder/disk" || exit 99
                    home="$folder/disk"; cat /dev/zero > "$home/filling" 2>/dev/null;
                    """
                // In blocks of 512 bytes: less than the file of locks has.
                case .smallFiles: "rm -f \"$home/keyring.mdb-lock\"; ulimit -f 8;"
                }
            }
        }

        private static let mounting = ["/usr/bin/unshare", "-r", "-m"]

        @Test(
            "without room for a file of locks are refused in words, by every command that opens the keyring")
        func noRoom() async throws {
            for room in try await Room.available() {
                try await Stage.run { stage in
                    try await Self.prepare(stage)
                    for command in [
                        "friend list", "invite create", "keyring check", "serve", "portals list", "portal",
                    ] {
                        let run = try await Self.shell(
                            "\(room.preparation) exec \"$cway\" \(command) --home \"$home\"",
                            as: room == .fullDisk ? Self.mounting : [], on: stage)
                        #expect(run.code == 23 && run.said.contains("make room"), "\(command): \(run)")
                    }
                    // Nothing is lost by that.
                    let check = try await Self.shell(
                        "exec \"$cway\" keyring check --home \"$home\"", on: stage)
                    #expect(check.code == 0, "\(check)")
                }
            }
        }

        @Test("come to be once there is room, whatever there was room for before")
        func laterRoom() async throws {
            try await Stage.run { stage in
                for blocks in [0, 1, 2, 4, 8, 12, 16, 17, 24, 32, 48, 64, 80, 96, 128] {
                    let home = stage.path("home\(blocks)")
                    let create = "exec \"$cway\" invite create --portal '\(Self.portal)' --home '\(home)'"
                    let first = try await Self.shell("ulimit -f \(blocks); \(create)", on: stage)
                    #expect([0, 20, 23].contains(first.code), "\(blocks): \(first)")
                    #expect(first.code == 0 || first.said.contains("make room"), "\(blocks): \(first)")
                    let second = try await Self.shell(create, on: stage)
                    #expect(second.code == 0, "\(blocks): \(first) \(second)")
                }
            }
        }

        // MARK: Addresses

        @Test(
            "are opened where a process may have few addresses", arguments: [4_000_000, 1_000_000, 500_000])
        func addresses(kibibytes: Int) async throws {
            try await Stage.run { stage in
                try await Self.prepare(stage)
                let run = try await Self.shell(
                    """
                    ulimit -v \(kibibytes); "$cway" invite create --home "$home" && "$cway" keyring check --home "$home"
                    """, on: stage)
                #expect(run.code == 0, "\(run)")
            }
        }

        // MARK: Names

        @Test("may have names that are no UTF-8, each its own")
        func bytes() async throws {
            try await Stage.run { stage in
                let run = try await Self.shell(
                    #"""
                    one="$folder/h$(printf '\351')me"; two="$folder/h$(printf '\350')me"
                    mkdir -m 700 "$one" || exit 90
                    first=$("$cway" id --home "$one") || exit 91
                    second=$(CWAY_HOME="$two" "$cway" id) || exit 92
                    [ "$first" != "$second" ] && [ -f "$one/secret" ] && [ -f "$two/secret" ] || exit 93
                    [ "$(CWAY_HOME="$one" "$cway" id)" = "$first" ] || exit 94
                    printf '{"logLevel": "error"}' > "$one/config.json" || exit 95
                    "$cway" portals add PORTAL --home "$one" && "$cway" invite create --home "$one" || exit 96
                    "$cway" keyring check --home "$one" || exit 97
                    "$cway" keyring backup "$two/copy" --home "$one" && [ -f "$two/copy" ] || exit 98
                    [ "$(ls "$folder" | wc -l)" = 2 ] || exit 99
                    chmod 644 "$one/secret"; "$cway" id --home "$one"
                    """#.replacing("PORTAL", with: "'\(Self.portal)'"), on: stage)
                #expect(run.code == 20 && run.said.contains(#"h\xe9me/secret"#), "\(run)")
            }
        }
    }
}
