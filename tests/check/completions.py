"""completions.py SHELL BUILD: completes command lines in bash, zsh or fish, in the folder that
check.completions has filled. Prints how many lines, or which of them get something else."""

import os
import pty
import re
import select
import subprocess
import sys
import time

shell, build = sys.argv[1:]
DEADLINE = 30
MODES = ["ab", "report", "compare", "merge"]
DEFINED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/control/commands.def")
COMMANDS = " ".join(re.findall(r"^COMMAND\((\w+)", open(DEFINED).read(), re.M))
ADDRESSES = "localhost:65432 127.0.0.1:65432 unix:"
NO_PORT = "localhost: 127.0.0.1: unix:" # where no default is known

# What is typed, and the words that its last word may become.
ROWS = [
    ("echod --overl", "--overload"),
    ("echod --overload ", "wait reset"),
    ("echod --overload=", "--overload=wait --overload=reset"),
    ("echod --overload=w", "--overload=wait"),
    ("echod --log-level deb", "debug"),
    ("echod --workers ", ""),
    ("echod -w ", ""),
    ("echod --control con", "control.sock"),
    ("echod --control=con", "--control=control.sock"),
    ("echod -c sub", "sub/"),
    ("echod --listen ", ADDRESSES),
    ("echod -l loc", "localhost:65432"),
    ("echod --listen localhost:6", "localhost:65432"),
    ("echod --listen=localhost:6", "--listen=localhost:65432"),
    ("echod --listen un", "unix:"),
    ("echod --listen-proxy ", NO_PORT),
    ("echod --listen-proxy=loc", "--listen-proxy=localhost:"),
    ("echod --listen unix:con", "unix:control.sock"),
    ("echod --listen=unix:con", "--listen=unix:control.sock"),
    ("echod --listen unix:a --overload=r", "--overload=reset"),
    ("echoctl ", COMMANDS),
    ("echoctl dr", "drain"),
    ("echoctl --control control.sock st", "stats stop"),
    ("echoctl log ", "error warning info debug"),
    ("echoctl --timeout=5s log w", "warning"),
    ("echoctl help conn", "connections"),
    ("echoctl stats --js", "--json"),
    ("echocat ", ADDRESSES),
    ("echocat unix:con", "unix:control.sock"),
    ("echocat --half", "--half-close"),
    ("echoload ", ADDRESSES + " ab report compare merge"),
    ("echoload loc", "localhost:65432"),
    ("echoload --mode half", "half-close"),
    ("echoload -m ", "ping stream churn idle half-close"),
    ("echoload --linger=", "--linger=fin --linger=rst"),
    ("echoload --json run", "run.json"),
    ("echopath --jun", "--junit"),
    ("echopath --junit run", "run.json"),
    ("echopath --ma", "--max"),
    ("echoload ab --unt", "--until"),
    ("echoload ab 127", "127.0.0.1:"),
    ("echoload compare run", "run.json"),
    ("echoload compare --w", "--with"),
    ("echoload merge -o run", "run.json"),
    ("echoload report --out", "--output"),
]


def options(*command):
    """The long options that --help lists at the beginning of lines."""
    listed = subprocess.run([f"{build}/bin/{command[0]}", *command[1:], "--help"], stdout=subprocess.PIPE, check=True)
    return " ".join(re.findall(r"^  (?:-.,|   ) (--[a-z0-9-]+)", listed.stdout.decode(), re.M))


for mode in ["echod", "echoctl", "echocat", "echopath", "echoload"] + [f"echoload {mode}" for mode in MODES]:
    ROWS.append((f"{mode} --", options(*mode.split())))

BASH = """
PS1='> '
bind 'set bell-style none'
bind 'set enable-bracketed-paste off'
bind 'set completion-query-items 0'
bind 'set page-completions off'
bind 'set completion-display-width 0'
show() { printf '<<%s>>\\n' "$READLINE_LINE"; READLINE_LINE=; }
bind -x '"\\C-g": show'
for file in {build}/completions/bash/*; do source "$file"; done
echo begun
"""

ZSH = """
PS1='> '
unsetopt prompt_sp auto_menu list_types
unset zle_bracketed_paste
setopt no_beep
LISTMAX=10000
fpath=({build}/completions/zsh $fpath)
autoload -Uz compinit
compinit -u -D
zstyle ':completion:*' verbose no
show() { print; print -r -- "<<$BUFFER>>"; BUFFER=; zle -I }
zle -N show
bindkey '^G' show
echo begun
"""


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, command, script):
        child, self.fd = pty.fork()
        if child == 0:
            os.environ.update(TERM="dumb", COLUMNS="1000", LINES="200", HISTFILE="/dev/null")
            os.execvp(command[0], command)
        with open("../script", "w") as file:
            file.write(script.replace("{build}", build))
        self.ask(". ../script\r", r"\nbegun\r.*> $")

    def ask(self, text, until):
        """Types a text; returns what comes until it ends as the pattern says."""
        os.write(self.fd, text.encode())
        said, deadline = "", time.monotonic() + DEADLINE
        while not re.search(until, said, re.S):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise SystemExit(f"no answer to {text!r}, only {said!r}")
            said += os.read(self.fd, 65536).decode(errors="replace")
        return said

    def complete(self, line, expected):
        """One tab where one word is expected, else two; then the line is shown and deleted."""
        said = self.ask(line + ("\t" if len(expected) == 1 else "\t\t") + "\a", r"<<.*>>\r.*> $")
        shown = re.search(r"<<(.*)>>", said, re.S).group(1)
        if len(expected) == 1:
            # The last word, without the space or = that follows it.
            return {re.sub(r"[ =]$", "", shown).split(" ")[-1]}
        listed = said[: said.index("<<")].split("\n", 1)
        if len(listed) < 2 or shown != line:
            return {shown} if shown != line else set()
        return set(re.sub(r"\n> .*", "", listed[1], flags=re.S).split())


def check_on_terminal(command, script):
    terminal = Terminal(command, script)
    for line, words in ROWS:
        typed, expected = line.split(" ")[-1], set(words.split())
        if len(expected) > 1:
            # What stands before the last = or : is not listed again; a common beginning is typed.
            common = os.path.commonprefix(sorted(expected))
            line, typed = line[: len(line) - len(typed)] + common, common
            expected = {word.removeprefix(re.sub(r"[^=:]*$", "", typed)) for word in expected}
        yield line, expected, terminal.complete(line, expected)


def check_in_fish():
    script = "for file in $argv[1]/completions/fish/*; source $file; end\n"
    script += "for line in $argv[2..]; complete -C $line; echo '<end>'; end"
    command = ["fish", "--no-config", "-c", script, build, *(line for line, _ in ROWS)]
    said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE, check=True)
    answers = said.stdout.decode().split("<end>\n")
    for (line, words), answer in zip(ROWS, answers):
        yield line, set(words.split()), {row.split("\t")[0] for row in answer.splitlines()}


if shell == "fish":
    checked = check_in_fish()
elif shell == "zsh":
    checked = check_on_terminal(["zsh", "-f", "-i"], ZSH)
else:
    checked = check_on_terminal(["bash", "--norc", "--noprofile", "-i"], BASH)
count = problems = 0
for line, expected, offered in checked:
    count += 1
    if offered != expected:
        problems += 1
        print(f"'{line}': {sorted(offered)}, not {sorted(expected)}")
print(f"{count} lines")
sys.exit(problems > 0)
