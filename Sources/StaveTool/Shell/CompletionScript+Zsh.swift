extension CompletionScript {
    static var zsh: String { zshLists + zshArguments }

    /// What there is to choose from.
    private static var zshLists: String {
        #"""
        #compdef stave
        # zsh completion for stave, made by stave --generate-completion-script zsh

        # Keys of the store $2 that need no escapes. The word may be quoted on the line.
        _stave_keys() {
            local -a keys
            keys=(${(f)"$($1 --format quoted -- $2 keys --limit 200 -- ${(Q)PREFIX} 2>/dev/null)"})
            keys=(${keys:#*\\*})
            keys=(${${keys#[\"\']}%[\"\']})
            compadd -a keys
        }

        # What may stand behind the command $1 of the shell on the store $2.
        _stave_words() {
            local -a list
            case $1 in
            \#(zshWordCases)
            esac
            case $1 in
            \#(namesWithKeys.joined(separator: "|"))) [[ $PREFIX == -* ]] || _stave_keys $words[1] $2 ;;
            esac
        }

        # The options of the word $1, or of stave itself.
        _stave_options() {
            local -a list
            case $1 in
            \#(subcommands.map { "\($0.name)) list=(\(described($0.options))) ;;" }
                .joined(separator: "\n    "))
            *) list=(\#(described(options))) ;;
            esac
            _describe -o option list
        }

        # The values of the option $1.
        _stave_values() {
            case $1 in
            \#(optionsWithWords.map { "\($0.name)) compadd -- \(joined($0.values)) ;;" }
                .joined(separator: "\n    "))
            *) _files ;;
            esac
        }


        """#
    }

    /// Which of it stands where.
    private static var zshArguments: String {
        #"""
        _stave_arguments() {
            local -a subcommands commands
            subcommands=(\#(described(subcommands.map { ($0.name, $0.summary) }))
                'help:the commands of the shell')
            commands=(\#(described(CommandTable.all.flatMap { command in
                ([command.name] + command.aliases).map { ($0, command.summary) }
            })))
            case $#positional:$positional[1] in
            0:) _describe 'word in the place of a directory' subcommands; _files -/ ;;
            1:inspect) _files ;;
            1:verify|1:why|[12]:repair|[12]:diff|[12]:backup|1:import|1:export) _files -/ ;;
            2:import) _files ;;
            2:export) _stave_keys $words[1] $positional[2] ;;
            1:help) _describe command commands; _describe subcommand subcommands ;;
            2:why) _stave_keys $words[1] $positional[2] ;;
            *:(inspect|verify|why|repair|diff|backup|import|export|help)) ;;
            1:*) _describe command commands ;;
            *) (($#positional > 2)) && [[ $positional[2] == set ]] || _stave_words $positional[2] $positional[1] ;;
            esac
        }

        _stave() {
            local -a positional
            local word previous takes_value
            for word in ${words[2,CURRENT-1]}; do
                if [[ -n $takes_value ]]; then takes_value=; continue; fi
                case $word in
                (\#(optionsWithValue.joined(separator: "|"))) takes_value=1 previous=$word ;;
                -?*) ;;
                *) positional+=("${${(Q)word}/#\~\//$HOME/}") ;;
                esac
            done
            if [[ $PREFIX == --*=* ]]; then
                takes_value=1 previous=${PREFIX%%=*}
                compset -P '*='
            fi
            if [[ -n $takes_value ]]; then
                _stave_values $previous
            elif [[ $PREFIX == -* ]] && (($#positional < 2)) || [[ $PREFIX == --* &&
                $positional[1] == (\#(subcommands.map(\.name).joined(separator: "|"))) ]]; then
                _stave_options $positional[1]
            else
                _stave_arguments
            fi
        }

        if [[ $funcstack[1] == _stave ]]; then
            _stave "$@"
        else
            compdef _stave stave
        fi

        """#
    }

    private static var zshWordCases: String {
        commandsWithWords.map { names, words, options in
            var line = "\(names.joined(separator: "|")))"
            if !words.isEmpty { line += " compadd -- \(joined(words));" }
            if !options.isEmpty {
                line += " list=(\(described(options))); _describe -o option list;"
            }
            return line + ";"
        }.joined(separator: "\n    ")
    }

    private static func described(_ options: [Option]) -> String {
        described(options.map { ($0.name, $0.help) })
    }

    /// `'name:help'`, as _describe takes it.
    private static func described(_ list: [(String, String)]) -> String {
        list.map { "'\($0):\(quotedForShell($1))'" }.joined(separator: "\n        ")
    }
}
