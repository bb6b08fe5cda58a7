struct Page {
    init(_ results: Results, _ engines: [EngineKind]) {}
    func write(to docs: String) throws {}
}
