// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that the product builds without it, and without the engines that it is
// compared with: only PeerBenchmarks needs those. `make bench`, `make bench-peers`, `make budget`.
let package = Package(
    name: "Benchmarks",
    dependencies: [
        .package(name: "stave", path: "../.."),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // The floor: a bare hash-index log in C, what the design costs at least.
        .target(name: "CFloor", cSettings: [.unsafeFlags(["-O2"])]),
        // The C interfaces of the other engines, from Debian packages.
        .systemLibrary(name: "CPeers"),
        // Workloads, measurements, results, the page that is made of them; Stave and the floor.
        .target(
            name: "Workbench",
            dependencies: [
                "CFloor", .product(name: "Stave", package: "stave"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ]),
        // Stave beside the floor.
        .executableTarget(name: "Benchmarks", dependencies: ["Workbench"]),
        // Stave beside the floor and all peers.
        .executableTarget(name: "PeerBenchmarks", dependencies: ["CPeers", "Workbench"]),
        // What callgrind counts, for the budget of instructions.
        .executableTarget(
            name: "Instructions", dependencies: [.product(name: "Stave", package: "stave")]),
    ],
    swiftLanguageModes: [.v6]
)
