import Testing
@Test func placeholderStaveTool() {}
