import Foundation
import Glibc
import TestSupport
import Testing

@testable import StaveTool

/// What a person has set for all their shells.
struct ConfigurationTests {
    private let scratch = Scratch()

    private func configuration(_ text: String) throws -> Configuration {
        try scratch.write(text, to: "config")
        return Configuration(path: scratch.path + "/config", isNamed: true)
    }

    @Test("Settings are a line each, in the words of the shell")
    func settings() throws {
        let found = try configuration(
            """
            # mine
            format table
            color off
            greeting off
            pager less -R
            editor "vim -n"
            alias top scan --limit 10
            alias two "get 'a b' c"
            """)
        #expect(found.problems == [])
        #expect(found.format == .table)
        #expect(!found.hasColor && !found.greets)
        #expect(found.pager == "less -R" && found.editor == "vim -n")
        #expect(found.aliases == ["top": "scan --limit 10", "two": "get 'a b' c"])
    }

    @Test("What is wrong is told with its line, and the rest counts")
    func problems() throws {
        let found = try configuration(
            "format xml\ncolour off\nalias get scan\ncolor maybe\nalias x\npager 'a\n"
                + "format hex\npager\n"
        )
        let path = scratch.path + "/config"
        #expect(found.format == .hex)
        #expect(found.problems.count == 7)
        for (line, reason) in [
            (1, "no format xml; there are quoted"), (2, "no setting colour; there are format"),
            (3, "get is a command already"), (4, "color is on or off"),
            (5, "behind alias stand a name and a command"), (6, "this quote is not closed"),
            (8, "pager needs a value"),
        ] {
            #expect(
                found.problems.contains { $0.hasPrefix("\(path):\(line): \(reason)") }, "\(line)")
        }
        #expect(Configuration(path: path + "x", isNamed: false).problems == [])
        #expect(Configuration(path: path + "x", isNamed: true).problems.count == 1)
    }

    @Test("The prompt takes them, scripts and single commands do not")
    func places() throws {
        unsafe mkdir(scratch.path + "/stave", 0o700)
        try scratch.write(
            "greeting off\nformat hex\nalias top scan --limit 1\n", to: "stave/config")
        let environment = ["XDG_CONFIG_HOME": scratch.path]
        let shell = try scratch.shell([], environment)
        try shell.enter("set a 1", "OK")
        try shell.enter("set b 2", "OK")
        try shell.enter("top", "61 31")
        try shell.enter("top b", "62 32")
        try shell.leave()
        #expect(!shell.terminal.screen.allLines.contains { $0.contains("new store") })
        let child = try PipedChild([stave, scratch.store], environment: environment)
        child.send("get a\n")
        #expect(child.finish() == 0)
        #expect(child.output == Array("1\n".utf8))
        let named = try run(
            ["--config", scratch.path + "/stave/config", scratch.store], script: "top\n")
        #expect(named.text == "61 31\n")
        #expect(try run(["--config", "/nowhere", scratch.store, "count"]).status == 2)
    }
}
