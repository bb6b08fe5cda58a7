// What `make lint` checks beyond swift-format: the rules of this project that a tool can hold.
//
//     swift Tests/Tidy/tidy.swift      from the project's root; prints FILE:LINE: what is wrong
//
// Numbers and lists stand at the top. A rule that gets in the way is changed here, with a reason.

import Foundation

let maximumColumns = 100
let maximumFunctionLines = 60
let maximumFileLines = 350
/// A model test or a second decoder is read as one piece.
let maximumTestFileLines = 450
/// Words that hide who does what, or that readers who learn English stumble over.
let forbiddenWords = ["whoever", "nobody", "somebody", "anybody", "but for"]
/// Files of the package whose place is no room, because they are its front door.
let frontDoors = ["Sources/StaveTool/Main.swift"]
let frontDoorPrefixes = ["Sources/Stave/Store"]

struct Finding {
    let file: String
    let line: Int
    let text: String
}

var findings: [Finding] = []

func report(_ file: String, _ line: Int, _ text: String) {
    findings.append(Finding(file: file, line: line, text: text))
}

func text(_ path: String) -> String {
    guard let data = FileManager.default.contents(atPath: path) else { return "" }
    return String(decoding: data, as: UTF8.self)
}

func lines(_ path: String) -> [Substring] {
    text(path).split(separator: "\n", omittingEmptySubsequences: false)
}

/// Files below `root` with one of these endings, in order.
func files(_ root: String, _ endings: String...) -> [String] {
    let all = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    return all.filter { name in
        !name.contains(".build") && endings.contains { name.hasSuffix("." + $0) }
    }
    .map { root + "/" + $0 }.sorted()
}

func indentation(_ line: Substring) -> Int { line.prefix { $0 == " " }.count }

func word(_ line: Substring) -> Substring { line.drop { $0 == " " } }

// MARK: Rules for every source file

func checkShape(_ file: String, _ lines: [Substring]) {
    let limit = file.hasPrefix("Tests/") ? maximumTestFileLines : maximumFileLines
    if lines.count > limit + 1 {
        report(file, lines.count, "a file has at most \(limit) lines: split it")
    }
    var isInText = false
    for (index, line) in lines.enumerated() {
        // What is printed stands as it is printed, and tables in comments as they are read.
        let isText = isInText || line.contains("\"") || line.contains("//     ")
        if line.components(separatedBy: "\"\"\"").count == 2 { isInText.toggle() }
        if isText || line.contains("///      ") || line.count <= maximumColumns { continue }
        report(file, index + 1, "a line has at most \(maximumColumns) columns, not \(line.count)")
    }
}

func checkWords(_ file: String, _ lines: [Substring]) {
    for (index, line) in lines.enumerated() {
        let words = line.lowercased().split { !$0.isLetter }.joined(separator: " ")
        for forbidden in forbiddenWords where " \(words) ".contains(" \(forbidden) ") {
            report(file, index + 1, "\"\(forbidden)\": say who or what it is")
        }
    }
}

// MARK: Rules for Swift

let declarations = ["func ", "init(", "init?(", "deinit ", "subscript("]

/// Is this the first line of something with a body that is made of statements?
func opensFunction(_ line: Substring) -> Bool {
    let words = word(line).split(separator: " ")
    guard
        let keyword = words.firstIndex(where: { part in
            declarations.contains { (part + " ").hasPrefix($0) }
        })
    else { return false }
    let modifiers = words[..<keyword]
    return modifiers.allSatisfy {
        $0.first == "@" || $0.allSatisfy { $0.isLetter || $0 == "(" || $0 == ")" }
    }
        && modifiers.count < 6
}

func checkFunctions(_ file: String, _ lines: [Substring]) {
    for (start, line) in lines.enumerated() where opensFunction(line) {
        // swift-format ends a body with a brace in the column where the declaration began.
        let closing = String(repeating: " ", count: indentation(line)) + "}"
        let isOneLine = line.hasSuffix("}")
        guard !isOneLine, let end = lines[(start + 1)...].firstIndex(where: { $0 == closing })
        else { continue }
        let next = lines[(start + 1)...].firstIndex {
            indentation($0) <= indentation(line) && !word($0).isEmpty
                && !word($0).hasPrefix(")") && !word($0).hasPrefix("where")
        }
        guard next == end, end - start + 1 > maximumFunctionLines else { continue }
        report(file, start + 1, "a function has at most \(maximumFunctionLines) lines: split it")
    }
}

func checkDocumentation(_ file: String, _ lines: [Substring]) {
    for (index, line) in lines.enumerated() where word(line).hasPrefix("public ") {
        let rest = word(line).dropFirst(7)
        if rest.hasPrefix("import") || rest.hasPrefix("extension") { continue }
        var above = index - 1
        while above >= 0, word(lines[above]).hasPrefix("@") { above -= 1 }
        if above >= 0, word(lines[above]).hasPrefix("///") { continue }
        // What a protocol asks for is documented by the protocol.
        let asked = [
            "var description", "static func ==", "static func <", "func hash",
            "var errorDescription",
        ]
        if asked.contains(where: { rest.hasPrefix($0) }) { continue }
        report(file, index + 1, "a public declaration has a comment that says what it is")
    }
}

/// Files with `unsafe`, and whether they only pass on what another file's reason covers.
let unsafeFiles = Dictionary(
    uniqueKeysWithValues: lines("Tests/Tidy/unsafe.txt").filter { !$0.isEmpty && $0.first != "#" }
        .map { line in
            let words = line.split(separator: " ")
            return (String(words[0]), words.count > 1)
        })

func checkUnsafe(_ file: String, _ lines: [Substring]) {
    let first = lines.firstIndex { line in
        !word(line).hasPrefix("//")
            && line.split { !$0.isLetter && $0 != "_" }.contains("unsafe")
    }
    guard let first else {
        if unsafeFiles[file] != nil {
            report(file, 1, "nothing unsafe is left here: take it out of Tests/Tidy/unsafe.txt")
        }
        return
    }
    guard let passesOn = unsafeFiles[file] else {
        report(file, first + 1, "`unsafe` in a file that Tests/Tidy/unsafe.txt does not list")
        return
    }
    if !passesOn, !lines.contains(where: { $0.contains("SAFETY:") }) {
        report(file, first + 1, "`unsafe` without a \"SAFETY:\" line that says why it is right")
    }
}

func checkRoom(_ file: String) {
    let parts = file.split(separator: "/")
    guard parts.count < 4, !frontDoors.contains(file),
        !frontDoorPrefixes.contains(where: { file.hasPrefix($0) && !file.contains("+") })
    else { return }
    report(file, 1, "a file lies in a room, a folder of Sources/\(parts[1])")
}

/// Every lock is named in the table of docs/design.md, which says their order.
func checkLocks(_ file: String, _ lines: [Substring]) {
    let table = text("docs/design.md")
    for (index, line) in lines.enumerated() {
        guard line.contains("= Lock("), let range = line.range(of: "let ") else { continue }
        let name = line[range.upperBound...].prefix { $0.isLetter || $0.isNumber }
        if !table.contains("`\(name)`") {
            report(file, index + 1, "lock `\(name)` is missing in the table of docs/design.md")
        }
    }
}

// MARK: All files

let sources = files("Sources", "swift", "c", "h")
for file in sources + files("Tests", "swift", "c", "h", "py") + ["Package.swift"] {
    let lines = lines(file)
    checkShape(file, lines)
    if !file.hasPrefix("Tests/Tidy") { checkWords(file, lines) }
    if file.hasSuffix(".swift") { checkFunctions(file, lines) }
}
for file in sources where file.hasSuffix(".swift") {
    let lines = lines(file)
    checkDocumentation(file, lines)
    checkUnsafe(file, lines)
    checkRoom(file)
    checkLocks(file, lines)
}
for file in files("docs", "md", "1") + ["README.md", "CHANGELOG.md", "Makefile"] {
    checkWords(file, lines(file))
}

for finding in findings { print("\(finding.file):\(finding.line): \(finding.text)") }
exit(findings.isEmpty ? 0 : 1)
