extension CompletionScript {
    /// bash cuts words at `:` and `=`, which keys are full of. So the line is cut here once more,
    /// and what bash has in the line already is taken off the front of each offer.
    static var bash: String { bashLists + bashArguments + bashLine }

    /// What there is to choose from.
    private static var bashLists: String {
        #"""
        # bash completion for stave, made by stave --generate-completion-script bash

        # Keys of the store $1 that begin with $2 and need no escapes, as words for this shell.
        _stave_keys() {
            local key
            while IFS= read -r key; do
                [[ $key == *\\* ]] && continue
                key=${key#[\"\']} key=${key%[\"\']}
                [[ $key == "$2"* ]] && printf -v key %q "$key" && COMPREPLY+=("$key")
            done < <("$stave" --format quoted -- "$1" keys --limit 200 -- "$2" 2>/dev/null)
        }

        # What may stand behind the command $1 of the shell on the store $2.
        _stave_words() {
            if [[ $3 == -* ]]; then
                case $1 in
                \#(cases(commandsWithWords.map { ($0.names, names($0.options)) }, "        "))
                esac
                return
            fi
            case $1 in
            \#(cases(commandsWithWords.map { ($0.names, $0.words) }, "    "))
            \#(namesWithKeys.joined(separator: "|"))) _stave_keys "$2" "$3" ;;
            import) _stave_files -f ;;
            esac
        }

        # The options of the word $1, or of stave itself.
        _stave_options() {
            case $1 in
            \#(cases(subcommands.map { ([$0.name], names($0.options)) }, "    "))
            *) candidates="\#(joined(names(options)))" ;;
            esac
        }

        # The values of the option $1.
        _stave_values() {
            case $1 in
            \#(cases(optionsWithWords.map { ([$0.name], $0.values) }, "    "))
            *) _stave_files -f ;;
            esac
        }


        """#
    }

    /// Which of it stands where.
    private static var bashArguments: String {
        #"""
        # Files, or directories where $1 is -d.
        _stave_files() {
            local IFS=$'\n'
            compopt -o filenames 2>/dev/null
            COMPREPLY+=($(compgen $1 -- "$current"))
        }

        _stave_arguments() {
            case ${#positional[@]}:${positional[0]} in
            0:*) candidates="\#(joined(subcommands.map(\.name))) help"; _stave_files -d ;;
            1:inspect) _stave_files -f ;;
            1:verify|1:why|[12]:repair|[12]:diff|[12]:backup|1:import|1:export) _stave_files -d ;;
            2:import) _stave_files -f ;;
            2:export) _stave_keys "${positional[1]}" "$current" ;;
            1:help) candidates="\#(joined(CommandTable.names + subcommands.map(\.name)))" ;;
            2:why) _stave_keys "${positional[1]}" "$current" ;;
            *:inspect|*:verify|*:why|*:repair|*:diff|*:backup|*:import|*:export|*:help) ;;
            1:*) candidates="\#(joined(CommandTable.names))" ;;
            *)
                [[ ${#positional[@]} -gt 2 && ${positional[1]} == @(set|put) ]] \
                    || _stave_words "${positional[1]}" "${positional[0]}" "$current"
                ;;
            esac
        }


        """#
    }

    /// What the person has typed so far.
    private static var bashLine: String {
        #"""
        _stave() {
            local stave=$1 line=${COMP_LINE:0:COMP_POINT} words=() positional=()
            local current previous= takes_value= candidates= word
            COMPREPLY=()
            # Without -r, a backslash keeps a blank in its word.
            read -a words <<<"$line"
            [[ $line == *[[:blank:]] && $line != *\\[[:blank:]] ]] && words+=("")
            current=${words[${#words[@]} - 1]}
            for word in "${words[@]:1:${#words[@]}-2}"; do
                if [[ $takes_value ]]; then takes_value=; continue; fi
                case $word in
                \#(optionsWithValue.joined(separator: "|"))) takes_value=1 previous=$word ;;
                -?*) ;;
                *) positional+=("${word/#\~\//$HOME/}") ;;
                esac
            done
            if [[ $current == --*=* ]]; then
                takes_value=1 previous=${current%%=*} current=${current#*=}
            fi
            if [[ $takes_value ]]; then
                _stave_values "$previous"
            elif [[ $current == -* ]] && ((${#positional[@]} < 2)) || [[ $current == --* &&
                " \#(joined(subcommands.map(\.name))) " == *" ${positional[0]} "* ]]; then
                _stave_options "${positional[0]}"
            else
                _stave_arguments
            fi
            COMPREPLY+=($(compgen -W "$candidates" -- "$current"))
            if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
                word=${current%"${current##*:}"}
                COMPREPLY=("${COMPREPLY[@]#"$word"}")
            fi
        }
        complete -F _stave stave

        """#
    }

    static func names(_ options: [Option]) -> [String] { options.map(\.name) }

    /// `a|b) candidates="..." ;;`, a line each.
    private static func cases(
        _ cases: [(names: [String], words: [String])], _ indent: String
    ) -> String {
        cases.filter { !$0.words.isEmpty }.map {
            "\($0.names.joined(separator: "|"))) candidates=\"\(joined($0.words))\" ;;"
        }.joined(separator: "\n" + indent)
    }
}
