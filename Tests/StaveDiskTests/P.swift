import Testing
@Test func placeholderStaveDisk() {}
