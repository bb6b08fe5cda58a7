internal import ArgumentParser

/// What an outer shell needs to complete stave's arguments, made from the table of commands.
enum CompletionScript {
    static let shells = ["bash", "zsh", "fish"]

    /// nil for another shell.
    static func text(for shell: String) -> String? {
        switch shell {
        case "bash": bash
        case "zsh": zsh
        case "fish": fish
        default: nil
        }
    }

    /// `--format` and the like with the words that may follow.
    private static let values: [(option: String, words: [String])] = [
        ("--durability", ["always", "interval", "os"]),
        ("--format", OutputFormat.allCases.map(\.rawValue)),
        ("--segment-size", ["1M", "16M", "64M", "256M"]),
    ]

    private static let options = options(of: StaveCommand.helpMessage())
    private static let inspectOptions = options(of: InspectCommand.helpMessage())

    /// The names that help lists, each at the beginning of its line.
    private static func options(of help: String) -> [String] {
        help.split(separator: "\n").map { $0.drop { $0 == " " } }
            .filter { $0.hasPrefix("--") || $0.hasPrefix("-h, --") }
            .flatMap { line in
                line.prefix { $0 != "<" }.split { " ,/".contains($0) }
                    .prefix { $0.hasPrefix("-") }
            }
            .filter { $0.hasPrefix("--") }.map(String.init)
    }

    /// What may stand behind a command's name, besides keys and values.
    private static func words(of command: Command) -> [String] {
        switch command.name {
        case "format": OutputFormat.allCases.map(\.rawValue)
        case "timing": ["on", "off"]
        case "help": CommandTable.all.map(\.name)
        case "compact": command.options.map(\.name) + ["pause", "resume"]
        default: command.options.map(\.name)
        }
    }

    private static var commandsWithWords: [(names: [String], words: [String])] {
        CommandTable.all.filter { !words(of: $0).isEmpty }
            .map { ([$0.name] + $0.aliases, words(of: $0)) }
    }

    // MARK: bash

    private static var bash: String {
        let valueCases = values.map {
            "        \($0.option)) COMPREPLY=($(compgen -W \"\(joined($0.words))\" -- \"$current\")); return ;;\n"
        }.joined()
        let wordCases = commandsWithWords.map {
            "        \($0.names.joined(separator: "|"))) candidates=\"\(joined($0.words))\" ;;\n"
        }.joined()
        return """
            # bash completion for stave, made by stave --generate-completion-script bash

            _stave() {
                local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
                local words=() index candidates=
                COMPREPLY=()
                case $previous in
            \(valueCases)    esac
                for ((index = 1; index < COMP_CWORD; index++)); do
                    case ${COMP_WORDS[index]} in
                    \(values.map(\.option).joined(separator: "|"))) ((index++)) ;;
                    -*) ;;
                    *) words+=("${COMP_WORDS[index]}") ;;
                    esac
                done
                if [[ ${words[0]} == inspect ]]; then
                    compopt -o filenames 2>/dev/null
                    COMPREPLY=($(compgen -W "\(joined(inspectOptions))" -- "$current") $(compgen -f -- "$current"))
                    return
                fi
                case ${#words[@]} in
                0)
                    if [[ $current == -* ]]; then
                        candidates="\(joined(options))"
                    else
                        compopt -o filenames 2>/dev/null
                        COMPREPLY=($(compgen -d -- "$current") $(compgen -W "inspect help" -- "$current"))
                        return
                    fi
                    ;;
                1)
                    if [[ ${words[0]} != help && $current == -* ]]; then
                        candidates="\(joined(options))"
                    else
                        candidates="\(joined(CommandTable.names))"
                    fi
                    ;;
                *)
                    case ${words[1]} in
            \(wordCases)        esac
                    ;;
                esac
                COMPREPLY=($(compgen -W "$candidates" -- "$current"))
            }
            complete -F _stave stave

            """
    }

    // MARK: zsh

    private static var zsh: String {
        let valueCases = values.map {
            "        \($0.option)) compadd -- \(joined($0.words)); return ;;\n"
        }.joined()
        let commands = CommandTable.all.flatMap { command in
            ([command.name] + command.aliases).map {
                "        '\($0):\(quotedForShell(command.summary))'\n"
            }
        }.joined()
        let wordCases = commandsWithWords.map {
            "        \($0.names.joined(separator: "|"))) compadd -- \(joined($0.words)) ;;\n"
        }.joined()
        return """
            #compdef stave
            # zsh completion for stave, made by stave --generate-completion-script zsh

            _stave() {
                local -a commands positional
                local index
                commands=(
            \(commands)    )
                case $words[CURRENT-1] in
            \(valueCases)    esac
                for ((index = 2; index < CURRENT; index++)); do
                    case $words[index] in
                    \(values.map(\.option).joined(separator: "|"))) ((index++)) ;;
                    -*) ;;
                    *) positional+=("$words[index]") ;;
                    esac
                done
                if [[ $positional[1] == inspect ]]; then
                    compadd -- \(joined(inspectOptions))
                    _files
                    return
                fi
                case $#positional in
                0)
                    if [[ $words[CURRENT] == -* ]]; then
                        compadd -- \(joined(options))
                    else
                        compadd -- inspect help
                        _files -/
                    fi
                    ;;
                1)
                    if [[ $positional[1] != help && $words[CURRENT] == -* ]]; then
                        compadd -- \(joined(options))
                    else
                        _describe command commands
                    fi
                    ;;
                *)
                    case $positional[2] in
            \(wordCases)        esac
                    ;;
                esac
            }

            if [[ $funcstack[1] == _stave ]]; then
                _stave "$@"
            else
                compdef _stave stave
            fi

            """
    }

    // MARK: fish

    private static var fish: String {
        var lines = [
            "# fish completion for stave, made by stave --generate-completion-script fish",
            "",
            "function __stave_words --description 'words of the line that are no options'",
            "    set -l skip 0",
            "    for word in (commandline -opc)[2..-1]",
            "        if test $skip = 1",
            "            set skip 0",
            "        else if contains -- $word \(joined(values.map(\.option)))",
            "            set skip 1",
            "        else if not string match -q -- '-*' $word",
            "            echo $word",
            "        end",
            "    end",
            "end",
            "",
            "function __stave_at --description 'whether so many words came, the first one as said'",
            "    set -l words (__stave_words)",
            "    test (count $words) -ge $argv[1]; or return 1",
            "    test (count $words) -le $argv[2]; or return 1",
            "    test (count $argv) -lt 3; or contains -- \"$words[$argv[1]]\" $argv[3..-1]",
            "end",
            "",
            "complete -c stave -f",
            "complete -c stave -n '__stave_at 0 0' -a '(__fish_complete_directories)'",
            "complete -c stave -n '__stave_at 0 0' -a 'inspect help'",
            "complete -c stave -n '__stave_at 1 9 inspect' -F",
        ]
        for (option, words) in values {
            lines.append(
                "complete -c stave -n '__stave_at 0 1' -l \(option.dropFirst(2)) -x -a '\(joined(words))'"
            )
        }
        for option in options
        where !values.contains(where: { $0.option == option }) && option != "--version" {
            lines.append("complete -c stave -n '__stave_at 0 1' -l \(option.dropFirst(2))")
        }
        lines.append("complete -c stave -n '__stave_at 0 0' -l version")
        for option in inspectOptions {
            lines.append("complete -c stave -n '__stave_at 1 9 inspect' -l \(option.dropFirst(2))")
        }
        for command in CommandTable.all {
            for name in [command.name] + command.aliases {
                lines.append(
                    "complete -c stave -n '__stave_at 1 1; and not __stave_at 1 1 inspect' -a \(name)"
                        + " -d '\(quotedForShell(command.summary))'")
            }
        }
        for (names, words) in commandsWithWords {
            lines.append(
                "complete -c stave -n '__stave_at 2 99 \(joined(names))' -a '\(joined(words))'")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func joined(_ words: [String]) -> String { words.joined(separator: " ") }

    /// For the inside of single quotes.
    private static func quotedForShell(_ text: String) -> String {
        text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''")
    }
}
