#!/usr/bin/env bash
# completions.sh PROGRAM FOLDER: writes completions of echod, echoctl, echocat or echoload for bash
# (FOLDER/bash/NAME), zsh (FOLDER/zsh/_NAME) and fish (FOLDER/fish/NAME.fish). They are made from
# the program's --help. To complete they run no program, so they never ask a server.
# shellcheck disable=SC2016 # what is printed is expanded later
set -euo pipefail

if (($# != 2)); then
	echo "usage: completions.sh PROGRAM FOLDER" >&2
	exit 2
fi
program=$1 folder=$2
name=$(basename "$program")
from="Completions of $name, from its --help by tools/completions.sh."
separator=$'\x1f' # a tab would join empty fields

# facts [MODE]: a line for each option, command, mode and operand that --help lists:
#   MODE KIND LETTER NAME ARGUMENT VALUES HELP REPEAT
# VALUES are the words to choose from, or `files`, `commands`, `none`, or `address:` with the port
# that is the default, if there is one; empty if it takes no value. An option begins with two spaces
# and its name; help stands in the 30th column.
facts() {
	"$program" "$@" --help | awk -v mode="${1-}" -v OFS="$separator" '
		# The words of `fin|rst`, or of `set the log level: error|info`.
		function choice(text) {
			if (!match(text, /[a-z0-9-]+(\|[a-z0-9-]+)+$/)) return ""
			text = substr(text, RSTART)
			gsub(/\|/, " ", text)
			return text
		}
		function address(text) {
			if (!match(text, /127\.0\.0\.1[ :][0-9]+/)) return "address:"
			return "address:" substr(text, RSTART + 10, RLENGTH - 10)
		}
		function values(argument) {
			if (argument ~ /^[a-z0-9|-]+$/) return choice(argument)
			if (argument ~ /PATH|FILE/) return "files"
			return argument ~ /^ADDRESS/ ? address(help) : argument ? "none" : ""
		}
		function flush(    repeat, taken) {
			taken = values(argument)
			repeat = help ~ /may be (given|repeated)|up to [0-9]+ times/ ? "*" : ""
			gsub(/ \([^)]*\)/, "", help)
			sub(/;.*/, "", help)
			if (name) print mode, "option", letter, name, argument, taken, help, repeat
			name = help = ""
		}
		/^Usage:/ { usage = $0 }
		{ all = all " " $0 }
		/^  or:/ && !mode { print mode, "mode", "", $3, "", "", "", "" }
		/^  (-.,|   ) --/ {
			flush()
			letter = substr($0, 4, 1)
			if (letter == " ") letter = ""
			head = substr($0, 9)
			if (match(head, /  +/)) {
				help = substr(head, RSTART + RLENGTH)
				head = substr(head, 1, RSTART - 1)
			}
			name = head
			sub(/ .*/, "", name)
			argument = substr(head, length(name) + 2)
			next
		}
		/^                             / { help = help (help ? " " : "") substr($0, 30); next }
		{ flush() }
		/^[A-Z].*:$/ { commands = $0 == "Commands:" }
		commands && /^  [a-z]/ {
			text = substr($0, 30)
			argument = substr($0, 3 + length($1) + 1, 1) == " " ? "" : $2
			print mode, "command", "", $1, "",
				argument ~ /COMMAND/ ? "commands" : argument ? choice(text) : "", text, ""
		}
		END {
			taken = usage ~ /json/ ? "files" : usage ~ /HOST|TARGET/ ? address(all) : ""
			print mode, "operand", "", "", "", taken, "", ""
		}
	'
}

all=$(facts)
mapfile -t modes < <(awk -F "$separator" '$2 == "mode" { print $4 }' <<<"$all")
mapfile -t commands < <(awk -F "$separator" '$2 == "command" { print $4 }' <<<"$all")
for mode in "${modes[@]}"; do
	all+=$'\n'$(facts "$mode")
done
addresses=false
[[ $all != *"$separator"address:* ]] || addresses=true

# each MODE KIND FUNCTION: calls it with the other fields of each such fact in variables.
each() {
	local of kind rest letter option argument values help repeat
	while IFS=$separator read -r of kind rest; do
		[[ $of == "$1" && $kind == "$2" ]] || continue
		IFS=$separator read -r letter option argument values help repeat <<<"$rest"
		"$3"
	done <<<"$all"
}

# For bash and zsh.
quoted() {
	printf "'%s'" "${1//\'/\'\\\'\'}"
}

# words VALUES: what to choose from.
words() {
	case $1 in
	address:*) echo "localhost:${1#*:} 127.0.0.1:${1#*:} unix:" ;;
	commands) echo "${commands[*]}" ;;
	*) echo "$1" ;;
	esac
}

# Copies a text that says PROGRAM where its name belongs.
fill() {
	sed "s/PROGRAM/$name/g"
}

bash_name() {
	printf -- '--%s ' "$option"
}

bash_option() {
	[[ ! $values ]] || printf '\t\t%s--%s) values=%s ;;\n' \
		"${letter:+-$letter | }" "$option" "$(quoted "$(words "$values")")"
}

bash_operand() {
	printf '\t\toperands=%s\n' "$(quoted "$(words "$values")")"
}

bash_command() {
	printf '\t\t\t%s) operands=%s ;;\n' "$option" "$(quoted "$(words "$values")")"
}

# bash_mode MODE: an arm of a case.
bash_mode() {
	printf '\t%s)\n\t\toptions=%s\n' "${1:-*}" "$(quoted "$(each "$1" option bash_name)")"
	each "$1" operand bash_operand
	printf '\t\tcase $option in\n'
	each "$1" option bash_option
	printf '\t\tesac\n\t\t;;\n'
}

write_bash() {
	local mode
	printf '# %s\n' "$from"
	fill <<'END'

# Leaves in `words` the words up to the cursor as they were typed. Those of COMP_WORDS are split at
# the characters of COMP_WORDBREAKS, such as = and :.
_PROGRAM_words() {
	local line=${COMP_LINE:0:COMP_POINT} word apart=1
	for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
		while [[ $line == [[:space:]]* ]]; do
			line=${line#?} apart=1
		done
		[[ $line == "$word"* ]] || word=$line # the cursor stands within it
		line=${line#"$word"}
		if ((apart)); then
			words+=("$word")
		else
			words[${#words[@]} - 1]+=$word
		fi
		apart=0
	done
}

_PROGRAM() {
	local words=() typed word lead tail cut character
	local mode="" option="" options="" operands="" values=""
	_PROGRAM_words
	typed=${words[${#words[@]} - 1]} word=$typed
	((${#words[@]} <= 2)) || mode=${words[1]} option=${words[${#words[@]} - 2]}
	if [[ $word == --*=* ]]; then
		option=${word%%=*} word=${word#*=}
	fi
	case $mode in
END
	for mode in "${modes[@]}" ""; do
		bash_mode "$mode"
	done
	printf '\tesac\n'
	if ((${#modes[@]})); then
		printf '\t[[ $mode ]] || operands+=%s\n' "$(quoted " ${modes[*]}")"
	fi
	if ((${#commands[@]})); then
		printf '\tlocal before operands=%s\n\tfor before in "${words[@]:1:${#words[@]}-2}"; do\n\t\tcase $before in\n' \
			"$(quoted "${commands[*]}")"
		each "" command bash_command
		printf '\t\tesac\n\tdone\n'
	fi
	fill <<'END'
	if [[ ! $values && ($word == -* || ! $operands) ]]; then
		values=$options
	fi
	values=${values:-$operands}
	COMPREPLY=()
	if [[ $values == files || ($values == *unix:* && $word == *unix:*) ]]; then
		compopt -o default # readline itself completes a path, also behind = and :
		return
	fi
	[[ $values != none ]] || return 0
	mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
	[[ ${COMPREPLY[*]} != *: ]] || compopt -o nospace
	# readline replaces what stands behind the last character that it splits at.
	tail=$typed
	for character in = :; do
		[[ $COMP_WORDBREAKS != *"$character"* ]] || tail=${tail##*"$character"}
	done
	lead=${typed%"$word"} cut=${typed%"$tail"}
	COMPREPLY=("${COMPREPLY[@]/#/$lead}")
	COMPREPLY=("${COMPREPLY[@]#"$cut"}")
}

complete -F _PROGRAM PROGRAM
END
}

# zsh_text TEXT: within brackets or colons of a specification of _arguments.
zsh_text() {
	local text=${1//\\/\\\\} character
	for character in : '[' ']'; do
		text=${text//"$character"/\\$character}
	done
	printf '%s' "$text"
}

zsh_action() {
	case $1 in
	none) echo " " ;;
	files) echo "_files" ;;
	address:) echo "_${name}_address" ;;
	address:*) echo "_${name}_address ${1#*:}" ;;
	*) echo "($(words "$1"))" ;;
	esac
}

zsh_option() {
	local spelling spellings="${letter:+-$letter }--$option" excluded="" value="" end
	[[ $repeat ]] || excluded="($spellings)"
	[[ ! $values ]] || value=":$(zsh_text "$argument"):$(zsh_action "$values")"
	for spelling in $spellings; do
		end=""
		if [[ $values ]]; then
			end=+
			[[ $spelling != --* ]] || end="="
		fi
		printf '\t\t\t%s\n' "$(quoted "$excluded$repeat$spelling${end}[$(zsh_text "$help")]$value")"
	done
}

zsh_operand() {
	[[ ! $values ]] || printf "\t\t\t'*:operand:%s'\n" "$(zsh_action "$values")"
}

zsh_mode() {
	printf '\t%s)\n\t\tspecifications=(\n' "${1:-*}"
	each "$1" option zsh_option
	each "$1" operand zsh_operand
	printf '\t\t)\n\t\t;;\n'
}

zsh_command() {
	printf '\t\t%s\n' "$(quoted "$option:$help")"
}

zsh_argument() {
	printf '\t\t%s) list=(%s) ;;\n' "$option" "$(words "$values")"
}

write_zsh() {
	local mode
	printf '#compdef %s\n# %s\n' "$name" "$from"
	! $addresses || fill <<'END'

# The last argument may be a port, the others are for compadd.
_PROGRAM_address() {
	local port
	if [[ ${@[-1]} == <-> ]]; then
		port=${@[-1]}
		shift -p
	fi
	if compset -P '*unix:'; then
		_files
	elif [[ $port ]]; then
		compadd "$@" -S "" -- unix:
		compadd "$@" -- localhost:$port 127.0.0.1:$port
	else
		compadd "$@" -S "" -- unix: localhost: 127.0.0.1:
	fi
}
END
	if ((${#commands[@]})); then
		printf '\n_%s_command() {\n\tlocal before list=(\n' "$name"
		each "" command zsh_command
		printf '\t)\n\tfor before in "${(@)words[2,CURRENT-1]}"; do\n\t\tcase $before in\n'
		each "" command zsh_argument
		printf '\t\tesac\n\tdone\n\t_describe operand list\n}\n'
	fi
	fill <<END

_PROGRAM() {
	local mode="" specifications modes=(${modes[*]})
	if ((CURRENT > 2 && \$modes[(Ie)\$words[2]])); then
		shift words
		mode=\$words[1]
		((CURRENT--))
	fi
	case \$mode in
END
	for mode in "${modes[@]}" ""; do
		zsh_mode "$mode"
	done
	printf '\tesac\n'
	if ((${#modes[@]})); then
		printf '\t[[ $mode ]] || ((CURRENT > 2)) || compadd -- $modes\n'
	fi
	if ((${#commands[@]})); then
		printf "\tspecifications+=('*:operand:_%s_command')\n" "$name"
	fi
	fill <<'END'
	_arguments -s -S : $specifications
}

_PROGRAM "$@"
END
}

fish_quoted() {
	local text=${1//\\/\\\\}
	printf "'%s'" "${text//\'/\\\'}"
}

fish_address() {
	printf " -a '(__%s_address%s)'" "$name" "${1:+ $1}"
}

# fish_value VALUES: the options of `complete` about them.
fish_value() {
	case $1 in
	"") ;;
	none) printf ' -x' ;;
	files) printf ' -r -F' ;;
	address:*) printf ' -x%s' "$(fish_address "${1#*:}")" ;;
	*) printf ' -x -a %s' "$(fish_quoted "$(words "$1")")" ;;
	esac
}

fish_option() {
	printf 'complete -c %s%s%s -l %s%s -d %s\n' "$name" "$condition" "${letter:+ -s $letter}" "$option" \
		"$(fish_value "$values")" "$(fish_quoted "$help")"
}

fish_operand() {
	case $values in
	files) printf 'complete -c %s%s -F\n' "$name" "$condition" ;;
	address:*) printf 'complete -c %s%s%s\n' "$name" "$condition" "$(fish_address "${values#*:}")" ;;
	esac
}

fish_command() {
	printf "complete -c %s -n 'not __fish_seen_subcommand_from %s' -a %s -d %s\n" "$name" "${commands[*]}" \
		"$option" "$(fish_quoted "$help")"
	[[ ! $values ]] || printf "complete -c %s -n '__fish_seen_subcommand_from %s' -a '%s'\n" "$name" "$option" \
		"$(words "$values")"
}

write_fish() {
	local mode condition=""
	printf '# %s\n\n' "$from"
	! $addresses || fill <<'END'
function __PROGRAM_address
	set -l typed (string replace -r -- '^--[^=]*=' '' (commandline -ct))
	if string match -q -- 'unix:*' $typed
		for path in (string sub -s 6 -- $typed)*
			test -d $path; and set path $path/
			echo unix:$path
		end
	else
		printf '%s\n' "localhost:$argv[1]" "127.0.0.1:$argv[1]" unix:
	end
end

END
	if ((${#modes[@]})); then
		fill <<END
# Whether the first argument is one of these words.
function __PROGRAM_mode
	set -l words (commandline -opc)
	contains -- "\$words[2]" \$argv
end

END
	fi
	printf 'complete -c %s -f\n' "$name"
	for mode in "" "${modes[@]}"; do
		((${#modes[@]} == 0)) || condition=" -n 'not __${name}_mode ${modes[*]}'"
		if [[ $mode ]]; then
			condition=" -n '__${name}_mode $mode'"
			printf "complete -c %s -n 'test (count (commandline -opc)) = 1' -a %s\n" "$name" "$mode"
		fi
		each "$mode" operand fish_operand
		each "$mode" option fish_option
	done
	each "" command fish_command
}

mkdir -p "$folder"/{bash,zsh,fish}
write_bash >"$folder/bash/$name"
write_zsh >"$folder/zsh/_$name"
write_fish >"$folder/fish/$name.fish"
