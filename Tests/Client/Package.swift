// swift-tools-version: 6.2
import PackageDescription

// A program that depends on Stave as others do: it sees what is public, and is built without this
// package's settings.
let package = Package(
    name: "client",
    dependencies: [.package(name: "stave", path: "../..")],
    targets: [
        .executableTarget(
            name: "client",
            dependencies: [
                .product(name: "Stave", package: "stave"),
                .product(name: "StaveCodable", package: "stave"),
            ],
            path: "Sources")
    ]
)
