// swift-tools-version: 6.2

import PackageDescription

/// `FUZZ=1` builds everything for the fuzzers of `.ci/fuzz`; the only thing that is read from the environment.
let isFuzzing = Context.environment["FUZZ"] == "1"

let settings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .strictMemorySafety(),
        .treatAllWarnings(as: .error),
    ] + (isFuzzing ? [.unsafeFlags(["-sanitize=fuzzer,address"])] : [])

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")

let package = Package(
    name: "companionway",
    products: [
        .library(name: "TypedSodium", targets: ["TypedSodium"]),
        .library(name: "SecretHandshake", targets: ["SecretHandshake"]),
        .library(name: "BoxStream", targets: ["BoxStream"]),
        .library(name: "MuxRPC", targets: ["MuxRPC"]),
        .library(name: "Multiserver", targets: ["Multiserver"]),
        .library(name: "SecureSession", targets: ["SecureSession"]),
        .executable(name: "cway", targets: ["cway"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // Without its traits it reads no files, which we read ourselves, and needs no more of Foundation than its essentials.
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: []),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        // Likewise.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    ],
    targets: [
        // Level 0: the C libraries, with no logic of our own, and the cipher's kernel.
        .systemLibrary(
            name: "CSodium", pkgConfig: "libsodium",
            providers: [.apt(["libsodium-dev"]), .brew(["libsodium"])]),
        .systemLibrary(
            name: "CLMDB", pkgConfig: "lmdb",
            providers: [.apt(["liblmdb-dev"]), .brew(["lmdb"])]),
        .systemLibrary(
            name: "CQREncode", pkgConfig: "libqrencode",
            providers: [.apt(["libqrencode-dev"]), .brew(["qrencode"])]),
        .systemLibrary(
            name: "CNATS", pkgConfig: "libnats",
            providers: [.apt(["libnats-dev"]), .brew(["cnats"])]),
        .target(name: "CBoxCipher"),
        .systemLibrary(name: "CMalloc"),
        .systemLibrary(name: "CProcess"),

        // Which version this is; the plugin writes down the commit.
        .plugin(name: "StampPlugin", capability: .buildTool(), path: "Sources/StampPlugin"),
        .target(name: "Stamp", swiftSettings: settings, plugins: ["StampPlugin"]),

        // Level 1: who pays for what is held, and typed primitives.
        .target(name: "Account", dependencies: [nioCore], swiftSettings: settings),
        .target(name: "TypedSodium", dependencies: ["CSodium"], swiftSettings: settings),
        .target(name: "LMDB", dependencies: ["CLMDB"], swiftSettings: settings),
        .target(name: "QRCode", dependencies: ["CQREncode"], swiftSettings: settings),
        .target(name: "NATS", dependencies: ["CNATS"], swiftSettings: settings),

        // Level 2: one protocol each, no input or output.
        .target(name: "SecretHandshake", dependencies: ["TypedSodium"], swiftSettings: settings),
        .target(
            name: "BoxStream", dependencies: ["CBoxCipher", "CSodium", "TypedSodium"], swiftSettings: settings
        ),
        .target(name: "MuxRPC", dependencies: [nioCore], swiftSettings: settings),
        .target(name: "Multiserver", dependencies: ["TypedSodium"], swiftSettings: settings),
        .target(name: "Blinding", dependencies: ["TypedSodium"], swiftSettings: settings),
        .target(
            name: "Invitation", dependencies: ["Blinding", "Multiserver", "TypedSodium"],
            swiftSettings: settings),

        // Level 3: what every connection is made of, and what a node knows; still no input or output.
        .target(
            name: "SecureSession",
            dependencies: ["BoxStream", "MuxRPC", "SecretHandshake", "TypedSodium", nioCore],
            swiftSettings: settings),
        .target(name: "Connection", dependencies: ["MuxRPC", nioCore], swiftSettings: settings),
        .target(
            name: "Keyring", dependencies: ["Blinding", "Invitation", "LMDB", "Multiserver", "TypedSodium"],
            swiftSettings: settings),

        // Level 4: the roles, pure: the portal, and the node's side.
        .target(
            name: "PortalCore",
            dependencies: [
                "Account", "Blinding", "BoxStream", "Connection", "Invitation", "MuxRPC", "Multiserver",
                "SecretHandshake", "SecureSession", "TypedSodium", nioCore,
            ], swiftSettings: settings),
        .target(
            name: "Tunnel",
            dependencies: [
                "Account", "Blinding", "BoxStream", "Connection", "Invitation", "MuxRPC", "Multiserver",
                "SecretHandshake", "SecureSession", "TypedSodium", nioCore,
            ], swiftSettings: settings),

        // Beside them, and as pure: the machines that serve one portal together.
        .target(
            name: "Cluster", dependencies: ["Account", "TypedSodium", nioCore], swiftSettings: settings),

        // Level 5: channels around the machines.
        .target(
            name: "Transport",
            dependencies: [
                "Account", "Blinding", "Cluster", "Connection", "Invitation", "MuxRPC", "Multiserver",
                "NATS", "PortalCore",
                "SecretHandshake", "SecureSession", "Tunnel", "TypedSodium", nioCore,
                .product(name: "NIOPosix", package: "swift-nio"),
            ], swiftSettings: settings),

        // Level 6: settings, the home folder, and the roles wired into services.
        .target(
            name: "Node",
            dependencies: [
                "Account", "Blinding", "CMalloc", "CProcess", "Cluster", "Connection", "Invitation",
                "Keyring", "LMDB", "MuxRPC", "Multiserver", "NATS", "PortalCore", "SecretHandshake",
                "SecureSession",
                "Transport", "Tunnel", "TypedSodium", nioCore,
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: settings),

        // Level 6, beside the roles: what a daemon shows of itself, to people and to programs.
        .target(
            name: "Watching",
            dependencies: [
                "LMDB", "Multiserver", "PortalCore", "Tunnel", "TypedSodium", nioCore,
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: settings),

        // Level 7: the demo, the command line, and what measures.
        .target(
            name: "Demo",
            dependencies: [
                "Blinding", "Multiserver", "Node", "Transport", "TypedSodium", "Watching", nioCore,
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ], swiftSettings: settings),
        .target(
            name: "Commands",
            dependencies: [
                "Blinding", "BoxStream", "Cluster", "Connection", "Demo", "Invitation", "Keyring", "LMDB",
                "MuxRPC", "Multiserver",
                "Node",
                "PortalCore", "QRCode", "SecretHandshake", "Stamp", "Transport", "Tunnel", "TypedSodium",
                "Watching",
                nioCore,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ], swiftSettings: settings),
        .executableTarget(name: "cway", dependencies: ["Commands"], swiftSettings: settings),
        .target(name: "CountingAllocator", path: "Benchmarks/CountingAllocator"),
        .executableTarget(
            name: "Benchmarks",
            dependencies: [
                // The built executable too: the suites start it.
                "Blinding", "BoxStream", "CMalloc", "CSodium", "ClusterSimulation", "Connection",
                "CountingAllocator",
                "Invitation",
                "Keyring", "Multiserver", "MuxRPC", "Node", "PeerSupport", "PortalCore", "SecretHandshake",
                "SecureSession", "Transport", "Tunnel", "TypedSodium", "cway",
                nioCore,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Benchmarks", exclude: ["CountingAllocator"], swiftSettings: settings),

        // The other ends, for tests and benchmarks: processes, sockets, a peer that cuts its boxes as it likes.
        .target(
            name: "PeerSupport",
            dependencies: [
                "BoxStream", "MuxRPC", "Multiserver", "SecretHandshake", "TypedSodium", nioCore,
            ],
            path: "Tests/PeerSupport", swiftSettings: settings),

        // Tests, one target per module.
        .target(
            name: "TestSupport",
            dependencies: [
                "PeerSupport",
                "Account", "Blinding", "BoxStream", "Connection", "Invitation", "MuxRPC", "Multiserver",
                "PortalCore", "SecretHandshake", "SecureSession", "Tunnel", "TypedSodium", nioCore,
                .product(name: "NIOPosix", package: "swift-nio"),
            ], path: "Tests/TestSupport", resources: [.copy("Homes"), .copy("Vectors")],
            swiftSettings: settings),
        .testTarget(
            name: "AccountTests", dependencies: ["Account", "TestSupport", nioCore], swiftSettings: settings),
        .testTarget(
            name: "TypedSodiumTests", dependencies: ["TypedSodium", "TestSupport"],
            resources: [.copy("Vectors")], swiftSettings: settings),
        .executableTarget(
            name: "LMDBChild", dependencies: ["LMDB"], path: "Tests/LMDBChild", swiftSettings: settings),
        .testTarget(
            name: "LMDBTests", dependencies: ["LMDB", "LMDBChild", "TestSupport"], swiftSettings: settings),
        .testTarget(name: "QRCodeTests", dependencies: ["QRCode"], swiftSettings: settings),
        .testTarget(
            name: "NATSTests",
            dependencies: ["NATS", "PeerSupport", "TestSupport", "Transport", "TypedSodium", nioCore],
            resources: [.copy("Certificates")], swiftSettings: settings),
        .testTarget(
            name: "SecretHandshakeTests", dependencies: ["SecretHandshake", "TypedSodium", "TestSupport"],
            resources: [.copy("Vectors")], swiftSettings: settings),
        .testTarget(
            name: "BoxStreamTests", dependencies: ["BoxStream", "CSodium", "TypedSodium", "TestSupport"],
            resources: [.copy("Vectors")], swiftSettings: settings),
        .testTarget(
            name: "MuxRPCTests", dependencies: ["MuxRPC", "TestSupport", nioCore],
            resources: [.copy("Vectors")], swiftSettings: settings),
        .testTarget(
            name: "SecureSessionTests",
            dependencies: [
                "BoxStream", "MuxRPC", "SecretHandshake", "SecureSession", "TypedSodium", "TestSupport",
                nioCore,
            ], swiftSettings: settings),
        .testTarget(
            name: "ConnectionTests", dependencies: ["Connection", "TestSupport", nioCore],
            swiftSettings: settings),
        .target(
            name: "ClusterSimulation",
            dependencies: ["Blinding", "Cluster", "PortalCore", "TypedSodium", nioCore],
            path: "Tests/ClusterSimulation", swiftSettings: settings),
        .testTarget(
            name: "ClusterTests",
            dependencies: [
                "Cluster", "ClusterSimulation", "PortalCore", "TestSupport", "TypedSodium", nioCore,
            ], resources: [.copy("Vectors")], swiftSettings: settings),
        .testTarget(
            name: "ClusterProcessTests",
            dependencies: [
                // The built executable too: the tests start it.
                "ClusterSimulation", "MuxRPC", "Multiserver", "PeerSupport", "SecretHandshake", "TypedSodium",
                "Watching", "cway", nioCore,
            ], swiftSettings: settings),
        .testTarget(
            name: "PortalCoreTests",
            dependencies: [
                "PeerSupport",
                "Account", "Blinding", "BoxStream", "CMalloc", "Connection", "Invitation", "MuxRPC",
                "Multiserver", "PortalCore", "SecretHandshake", "SecureSession", "TestSupport", "Tunnel",
                "TypedSodium", nioCore,
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ], swiftSettings: settings),
        .testTarget(
            name: "TunnelTests",
            dependencies: [
                "Account", "Blinding", "BoxStream", "Connection", "Invitation", "MuxRPC", "Multiserver",
                "PortalCore", "SecretHandshake", "SecureSession", "TestSupport", "Tunnel", "TypedSodium",
                nioCore,
            ], swiftSettings: settings),
        .testTarget(
            name: "TransportTests",
            dependencies: [
                "PeerSupport",
                "Account", "Blinding", "BoxStream", "CMalloc", "Cluster", "Connection", "Invitation",
                "MuxRPC",
                "Multiserver", "PortalCore", "SecretHandshake", "SecureSession", "TestSupport", "Transport",
                "Tunnel", "TypedSodium", nioCore,
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ], swiftSettings: settings),
        .testTarget(
            name: "InvitationTests",
            dependencies: ["Blinding", "Invitation", "Multiserver", "TestSupport", "TypedSodium"],
            swiftSettings: settings),
        .testTarget(
            name: "MultiserverTests", dependencies: ["Multiserver", "TypedSodium", "TestSupport"],
            resources: [.copy("Vectors")], swiftSettings: settings),
        .testTarget(
            name: "BlindingTests", dependencies: ["Blinding", "TypedSodium", "TestSupport"],
            swiftSettings: settings),
        .executableTarget(
            name: "KeyringChild",
            dependencies: ["Blinding", "Connection", "Invitation", "Keyring", "TypedSodium"],
            path: "Tests/KeyringChild",
            swiftSettings: settings),
        .testTarget(
            name: "KeyringTests",
            dependencies: [
                "PeerSupport",
                "Blinding", "Connection", "Invitation", "Keyring", "KeyringChild", "LMDB", "Multiserver",
                "TypedSodium", "TestSupport",
            ], resources: [.copy("Vectors")], swiftSettings: settings),
        .testTarget(
            name: "NodeTests",
            dependencies: [
                "PeerSupport",
                "Blinding", "Cluster", "Connection", "Invitation", "Keyring", "Multiserver", "NATS", "Node",
                "SecretHandshake", "TypedSodium", "TestSupport",
                "MuxRPC", "PortalCore", "Transport", "Tunnel", nioCore,
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ], swiftSettings: settings),
        .testTarget(
            name: "WatchingTests",
            dependencies: [
                "PortalCore", "TestSupport", "Tunnel", "Watching", nioCore,
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "DemoTests", dependencies: ["Demo", "Node", "TypedSodium"], swiftSettings: settings),
        .testTarget(
            name: "CommandsTests",
            dependencies: [
                "PeerSupport",
                // The built executable too: tests of the demo start it.
                "Blinding", "BoxStream", "Commands", "Connection", "Invitation", "Keyring", "Multiserver",
                "Node",
                "SecretHandshake", "TypedSodium",
                "TestSupport", "cway", nioCore,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: settings),

        // The program as it is built, started as processes.
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "PeerSupport",
                "Blinding", "Connection", "Invitation", "Keyring", "Multiserver", "MuxRPC", "Node",
                "SecretHandshake", "SecureSession",
                "TypedSodium", "TestSupport", "PortalCore", "Transport", "Tunnel", "Watching", "cway",
                nioCore,
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: settings),

        // Tests with programs of other packages, which need not be there: see HeavyPeer.
        .testTarget(
            name: "PeerTests",
            dependencies: ["PeerSupport", "Node", "cway"], path: "Tests/PeerTests", swiftSettings: settings),

        // What peers do to take the service from others, over real sockets, one file per attack.
        .testTarget(
            name: "HostileTests",
            dependencies: [
                "PeerSupport",
                "Account", "Blinding", "BoxStream", "CMalloc", "Connection", "Invitation", "Keyring",
                "Multiserver", "MuxRPC", "Node",
                "SecretHandshake", "SecureSession", "TypedSodium", "TestSupport", "PortalCore", "Transport",
                "Tunnel", "cway",
                nioCore,
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ], swiftSettings: settings),

        // What strangers write, changed at random: the fuzzers' targets, and their corpus as a test.
        .target(
            name: "FuzzTargets",
            dependencies: [
                "Blinding", "BoxStream", "Cluster", "Connection", "Invitation", "Keyring", "Multiserver",
                "MuxRPC",
                "SecretHandshake", "TypedSodium",
                "PortalCore", "Transport", "Tunnel", nioCore,
            ], path: "Tests/FuzzTargets", swiftSettings: settings),
        .testTarget(
            name: "FuzzTests", dependencies: ["FuzzTargets"], resources: [.copy("Corpus")],
            swiftSettings: settings),

        // Other implementations, started as processes.
        .testTarget(
            name: "InteropTests",
            dependencies: ["PeerSupport", "BoxStream", "SecretHandshake", "TypedSodium", "TestSupport"],
            resources: [.copy("Peers")], swiftSettings: settings),
    ]
)

if isFuzzing {
    package.targets += [
        .systemLibrary(name: "CFuzzer", path: "Tests/CFuzzer"),
        .executableTarget(
            name: "Fuzz", dependencies: ["CFuzzer", "FuzzTargets"], path: "Tests/Fuzz",
            swiftSettings: settings,
            linkerSettings: [.unsafeFlags(["-use-ld=lld", "-sanitize=fuzzer,address"])]),
    ]
}
