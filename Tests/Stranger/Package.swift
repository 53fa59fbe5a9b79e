// swift-tools-version: 6.2

import PackageDescription

/// A package of somebody else's, which knows of this one nothing but its products.
let package = Package(
    name: "stranger",
    dependencies: [
        .package(name: "companionway", path: "../.."),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        // The examples of the products' articles, one file each.
        .target(
            name: "Examples",
            dependencies: [
                .product(name: "BoxStream", package: "companionway"),
                .product(name: "Multiserver", package: "companionway"),
                .product(name: "MuxRPC", package: "companionway"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "SecretHandshake", package: "companionway"),
                .product(name: "SecureSession", package: "companionway"),
                .product(name: "TypedSodium", package: "companionway"),
            ]),
        // Two ends of a connection over TCP.
        .target(
            name: "Ends",
            dependencies: [
                .product(name: "MuxRPC", package: "companionway"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "SecretHandshake", package: "companionway"),
                .product(name: "SecureSession", package: "companionway"),
                .product(name: "TypedSodium", package: "companionway"),
            ]),
        .testTarget(
            name: "StrangerTests",
            dependencies: [
                "Ends", "Examples",
                .product(name: "MuxRPC", package: "companionway"),
                .product(name: "TypedSodium", package: "companionway"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
