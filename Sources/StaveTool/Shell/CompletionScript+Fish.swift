extension CompletionScript {
    private static var fishFunctions: String {
        #"""
        # fish completion for stave, made by stave --generate-completion-script fish

        function __stave_words --description 'words of the line that are no options'
            set -l skip 0
            for word in (commandline -opc)[2..-1]
                if test $skip = 1
                    set skip 0
                else if contains -- $word \#(joined(optionsWithValue))
                    set skip 1
                else if not string match -q -- '-*' $word
                    echo $word
                end
            end
        end

        function __stave_at --description 'whether $1 to $2 words came, the first or second as said'
            set -l words (__stave_words)
            test (count $words) -ge $argv[1]; or return 1
            test (count $words) -le $argv[2]; or return 1
            test (count $argv) -lt 4; or contains -- "$words[$argv[3]]" $argv[4..-1]
        end

        function __stave_open --description 'whether a store is named, and not a word in its place'
            not contains -- (__stave_words)[1] \#(joined(subcommands.map(\.name))) help
        end

        function __stave_keys --description 'keys of the store that need no escapes'
            set -l words (__stave_words)
            set -l stave (commandline -opc)[1]
            set -l directory $words[$argv[1]]
            set -l begun (string unescape -- (commandline -ct))
            string match -q -- '-*' $begun; and return
            $stave --format quoted -- $directory keys --limit 200 -- "$begun" 2>/dev/null |
                string match -rv '\\\\' | string replace -r '^(["\'])(.*)\\1$' '$2'
        end

        complete -c stave -f
        complete -c stave -n '__stave_at 0 0' -a '(__fish_complete_directories)'
        complete -c stave -n '__stave_at 1 1 1 inspect' -F
        complete -c stave -n '__stave_at 1 1 1 verify why repair diff backup import export' -a '(__fish_complete_directories)'
        complete -c stave -n '__stave_at 2 2 1 repair diff backup' -a '(__fish_complete_directories)'
        complete -c stave -n '__stave_at 2 2 1 import' -F
        complete -c stave -n '__stave_at 2 2 1 why export' -a '(__stave_keys 2)'
        complete -c stave -n '__stave_at 0 0' -a help -d 'the commands of the shell'
        """#
    }

    static var fish: String {
        var lines = [fishFunctions]
        for subcommand in subcommands {
            lines.append(offer(subcommand.name, subcommand.summary, when: "__stave_at 0 0"))
            lines.append(offer(subcommand.name, subcommand.summary, when: "__stave_at 1 1 1 help"))
            lines += subcommand.options.map {
                option($0, when: "__stave_at 1 9 1 \(subcommand.name)")
            }
        }
        lines += options.map { option($0, when: "__stave_at 0 1; and __stave_open") }
        for command in CommandTable.all {
            for name in [command.name] + command.aliases {
                lines.append(offer(name, command.summary, when: "__stave_at 1 1; and __stave_open"))
                lines.append(offer(name, command.summary, when: "__stave_at 1 1 1 help"))
            }
        }
        for (names, words, options) in commandsWithWords {
            let place = "__stave_at 2 99 2 \(joined(names)); and __stave_open"
            if !words.isEmpty {
                lines.append("complete -c stave -n '\(place)' -a '\(joined(words))'")
            }
            lines += options.map { option($0, when: place) }
        }
        let others = namesWithKeys.filter { $0 != "set" }
        for place in ["2 2 2 set", "2 99 2 \(joined(others))"] {
            lines.append(
                "complete -c stave -n '__stave_at \(place); and __stave_open' -a '(__stave_keys 1)'"
            )
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func offer(_ name: String, _ summary: String, when place: String) -> String {
        "complete -c stave -n '\(place)' -a \(name) -d '\(quotedForShell(summary))'"
    }

    private static func option(_ option: Option, when place: String) -> String {
        var line = "complete -c stave -n '\(place)' -l \(option.name.dropFirst(2))"
        if !option.values.isEmpty {
            line += " -x -a '\(joined(option.values))'"
        } else if option.takesValue {
            line += " -r"
        }
        return line + " -d '\(quotedForShell(option.help))'"
    }
}
