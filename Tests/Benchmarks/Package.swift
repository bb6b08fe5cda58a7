// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that the product builds without it. `make bench` runs it.
let package = Package(
    name: "Benchmarks",
    dependencies: [
        .package(name: "stave", path: "../.."),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // The floor: a bare hash-index log in C, what the design costs at least.
        .target(name: "CFloor", cSettings: [.unsafeFlags(["-O2"])]),
        .executableTarget(
            name: "Benchmarks",
            dependencies: [
                "CFloor", .product(name: "Stave", package: "stave"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
