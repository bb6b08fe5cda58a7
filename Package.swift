// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    // Lets tests make the n-th system call fail; see Files/DiskWatch.swift.
    .define("STAVE_FAULTS", .when(configuration: .debug)),
]

let package = Package(
    name: "stave",
    products: [
        .library(name: "Stave", targets: ["Stave"]),
        .library(name: "StaveCodable", targets: ["StaveCodable"]),
        .library(name: "StaveObservability", targets: ["StaveObservability"]),
        .executable(name: "stave", targets: ["StaveTool"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.5.0"),
        // For `swift package generate-documentation` alone; no target is built with it.
        .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.4.0"),
    ],
    targets: [
        // C: two system libraries, and the kernel calls that Swift's Glibc module does not show.
        .systemLibrary(
            name: "CEditline", pkgConfig: "libedit", providers: [.apt(["libedit-dev"])]),
        .systemLibrary(
            name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        .target(name: "CLinux"),

        // Ground floor: what lies on disk.
        .target(name: "StaveDisk", dependencies: ["CLinux", "CXXHash"], swiftSettings: strict),
        // First floor: the store.
        .target(name: "Stave", dependencies: ["StaveDisk", "CLinux"], swiftSettings: strict),
        // Entries as values of Swift types; apart from the store, which needs no Foundation.
        .target(name: "StaveCodable", dependencies: ["Stave"], swiftSettings: strict),
        // Metrics and logs of a store; apart from it, because both are packages.
        .target(
            name: "StaveObservability",
            dependencies: [
                "Stave", .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
            ],
            swiftSettings: strict),
        // The one executable: shell and inspector.
        .executableTarget(
            name: "StaveTool",
            dependencies: [
                "Stave", "StaveDisk", "CEditline", "CLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        .target(
            name: "TestSupport", dependencies: ["Stave", "StaveDisk", "CLinux"],
            path: "Tests/TestSupport", swiftSettings: strict),
        .testTarget(
            name: "StaveDiskTests", dependencies: ["CXXHash", "StaveDisk", "TestSupport"],
            resources: [.copy("Fixtures")], swiftSettings: strict),
        .testTarget(
            name: "StaveTests", dependencies: ["Stave", "StaveDisk", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "StaveCodableTests", dependencies: ["StaveCodable", "Stave", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "StaveObservabilityTests",
            dependencies: [
                "StaveObservability", "Stave", "TestSupport",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "MetricsTestKit", package: "swift-metrics"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "StaveToolTests",
            dependencies: ["StaveTool", "Stave", "StaveDisk", "TestSupport"],
            swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
