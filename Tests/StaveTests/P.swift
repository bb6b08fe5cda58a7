import Testing
@Test func placeholderStave() {}
