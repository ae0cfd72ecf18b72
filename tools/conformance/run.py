#!/usr/bin/env python3
"""run.py [--install] [--jobs N] [--keep FOLDER] [--page FILE] ECHOPATH [LETTER...]

Runs echopath through relays that Debian has, on the loopback, and writes the table and the
configurations into docs/conformance.md (--page), between its markers, and img/conformance.svg
beside it. With letters it runs only these relays and prints the page's part. --keep keeps each
relay's files and echopath's JSON. --install installs the relays' packages that are missing
(tools/install-deps.sh). Exit status: 3 if a relay cannot be started."""

import argparse
import concurrent.futures
import html
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
PORT, FAR = 7401, 7402  # of each relay, at addresses of its own
BEGIN, END = "<!-- made by tools/conformance/run.py -->", "<!-- end -->"
LAST = ["delay/write-write-read", "delay/round-trip"]  # tried when nothing else runs
BURST = ["connect/burst"]  # by a relay of its own: some go on with its connections for long
HAPROXY = """defaults; mode tcp; timeout connect 5s; timeout client 50s; timeout server 50s;
    listen relay; bind {near}; server s {far}"""
NGINX = """stream {{ server {{ listen {near}; proxy_pass {far}; }} }}"""


class Relay:
    """name, package, configuration as the page has it, command, set-up before it."""

    def __init__(self, name, package, shown, command, prepare=None, connect=False):
        self.name, self.package, self.shown = name, package, " ".join(shown.split())
        self.command, self.prepare, self.connect = command, prepare, connect
        self.processes, self.rows, self.failed = [], {}, False

    def at(self, index, folder):
        self.letter, self.folder = chr(ord("a") + index), folder
        self.values = {"near": f"127.0.1.{index + 1}:{PORT}", "far": f"127.0.2.{index + 1}:{FAR}",
                       "near_host": f"127.0.1.{index + 1}", "far_host": f"127.0.2.{index + 1}",
                       "near_port": PORT, "far_port": FAR, "folder": folder,
                       "between": f"127.0.1.{index + 1}:{PORT + 2}", "other_port": PORT + 2}
        folder.mkdir(parents=True, exist_ok=True)

    def spawn(self, command):
        words = [word.format(**self.values) for word in command]
        log = open(self.folder / "log", "ab")
        self.processes.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log,
                                               stderr=log, start_new_session=True))

    def write(self, name, text):
        (self.folder / name).write_text(text.format(**self.values) + "\n")

    def start(self):
        if self.prepare:
            self.prepare(self)
        self.spawn(self.command)
        self.await_port(PORT)

    def await_port(self, port):
        deadline = time.monotonic() + 10
        while not listens(self.values["near_host"], port):
            if time.monotonic() > deadline or self.processes[-1].poll() is not None:
                raise RuntimeError(f"does not start: {(self.folder / 'log').read_text()[-500:]}")
            time.sleep(0.05)

    def stop(self):
        for process in self.processes:  # each leads a group of its own
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        self.processes = []

    def version(self):
        said = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", self.package],
                              stdout=subprocess.PIPE, text=True, check=False).stdout
        return re.sub(r"^\d+:|(-|\+dfsg).*$", "", said) or "version unknown"


def listens(host, port):
    """Without a connection, which some relays would pass on."""
    wanted = "%s:%04X" % (socket.inet_aton(host)[::-1].hex().upper(), port)
    table = pathlib.Path("/proc/net/tcp").read_text().splitlines()
    return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in table[1:])


def haproxy(relay, more=""):
    relay.write("cfg", " ".join(HAPROXY.split()).replace("; ", "\n") + "\n" + more)


def nginx(relay, more=""):
    head = "daemon off; pid {folder}/pid; error_log {folder}/error.log;\n" \
        "include /etc/nginx/modules-enabled/50-mod-stream.conf; events {{ }}\n"
    relay.write("cfg", head + NGINX.replace("{far};", "{far};" + more))


def key(relay, name):
    for file in relay.folder.glob(name + "*"):  # of the run before
        file.unlink()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", relay.folder / name],
                   check=True)


def ssh(relay):
    key(relay, "host")
    key(relay, "user")
    relay.write("sshd", """ListenAddress {between}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no""")
    if os.geteuid() == 0:
        pathlib.Path("/run/sshd").mkdir(exist_ok=True)
    relay.spawn(["/usr/sbin/sshd", "-D", "-e", "-f", "{folder}/sshd"])
    relay.await_port(PORT + 2)


def stunnel(relay):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=relay", "-keyout", relay.folder / "key", "-out",
                    relay.folder / "cert"], check=True, stderr=subprocess.DEVNULL)
    common = "foreground = yes\npid =\n[relay]\n"
    relay.write("server", common + "accept = {between}\nconnect = {far}\n"
                "cert = {folder}/cert\nkey = {folder}/key")
    relay.write("client", common + "client = yes\naccept = {near}\nconnect = {between}")
    relay.spawn(["stunnel4", "{folder}/server"])
    relay.await_port(PORT + 2)


def rinetd(relay):
    relay.write("cfg", "{near_host} {near_port} {far_host} {far_port}")


def tinyproxy(relay):
    relay.write("cfg", "Listen {near_host}\nPort {near_port}\nTimeout 600\nMaxClients 100\n"
                "Allow 127.0.0.0/8")


RELAYS = [
    Relay("haproxy", "haproxy", HAPROXY, ["haproxy", "-db", "-f", "{folder}/cfg"], haproxy),
    Relay("haproxy", "haproxy", "as a, and: option abortonclose",
          ["haproxy", "-db", "-f", "{folder}/cfg"],
          lambda relay: haproxy(relay, "option abortonclose")),
    Relay("nginx stream", "nginx", NGINX, ["nginx", "-c", "{folder}/cfg"], nginx),
    Relay("nginx stream", "nginx", "as c, and: proxy_half_close on;",
          ["nginx", "-c", "{folder}/cfg"], lambda relay: nginx(relay, "proxy_half_close on;")),
    Relay("socat", "socat", "socat TCP-LISTEN:{near_port},bind={near_host},fork TCP:{far}",
          ["socat", "TCP-LISTEN:{near_port},bind={near_host},reuseaddr,fork", "TCP:{far}"]),
    Relay("socat", "socat", "as e, and: -t 3600, backlog=256",
          ["socat", "-t", "3600",
           "TCP-LISTEN:{near_port},bind={near_host},reuseaddr,fork,backlog=256", "TCP:{far}"]),
    Relay("ssh", "openssh-client", "ssh -N -L {near}:{far} HOST",
          ["ssh", "-N", "-F", "none", "-i", "{folder}/user", "-p", "{other_port}", "-o",
           "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-L",
           "{near}:{far}", "{near_host}"], ssh),
    Relay("stunnel pair", "stunnel4",
          "client = yes; accept = {near}; connect = {between} / "
          "accept = {between}; connect = {far}",
          ["stunnel4", "{folder}/client"], stunnel),
    Relay("redir", "redir", "redir {near} {far}", ["redir", "-n", "{near}", "{far}"]),
    Relay("rinetd", "rinetd", "{near_host} {near_port} {far_host} {far_port}",
          ["rinetd", "-f", "-c", "{folder}/cfg"], rinetd),
    Relay("simpleproxy", "simpleproxy", "simpleproxy -L {near} -R {far}",
          ["simpleproxy", "-L", "{near}", "-R", "{far}"]),
    Relay("pen", "pen", "pen -b 1 {near} {far}", ["pen", "-f", "-b", "1", "{near}", "{far}"]),
    Relay("6tunnel", "6tunnel", "6tunnel -4 -l {near_host} {near_port} {far_host} {far_port}",
          ["6tunnel", "-d", "-4", "-l", "{near_host}", "{near_port}", "{far_host}",
           "{far_port}"]),
    Relay("sslh", "sslh", "sslh --listen {near} --ssh {far} --anyprot {far}",
          ["sslh", "-f", "--listen", "{near}", "--ssh", "{far}", "--anyprot", "{far}"]),
    Relay("tinyproxy (CONNECT)", "tinyproxy", "Timeout 600; MaxClients 100",
          ["tinyproxy", "-d", "-c", "{folder}/cfg"], tinyproxy, connect=True),
    Relay("ncat", "ncat", "ncat -lk {near_host} {near_port} --sh-exec 'ncat {far_host} {far_port}'",
          ["ncat", "-lk", "{near_host}", "{near_port}", "--sh-exec",
           "ncat {far_host} {far_port}"]),
    Relay("systemd-socket-proxyd", "systemd", "ListenStream={near}; systemd-socket-proxyd {far}",
          ["systemd-socket-activate", "-l", "{near}", "/lib/systemd/systemd-socket-proxyd",
           "{far}"]),
]


def try_rows(echopath, relay, rows, name):
    """Runs echopath through the relay, and keeps what it says of these rows."""
    result = relay.folder / name
    command = [echopath, "--via", relay.values["near"], "--backend", relay.values["far"],
               "--skip-direct", "--json", result, *rows]
    if relay.connect:
        command += ["--connect", relay.values["far"]]
    try:
        relay.start()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        (relay.folder / (name + ".txt")).write_text(done.stdout + done.stderr)
        if done.returncode not in (0, 1):
            raise RuntimeError(done.stderr)
        relay.rows.update((row["id"], row) for row in json.loads(result.read_text())["rows"])
    except RuntimeError as error:
        print(f"run.py: {relay.name}: {error}", file=sys.stderr)
        relay.failed = True
    finally:
        relay.stop()


def cell(row):
    """At most three characters: what became of it."""
    if not row:
        return "?"
    seen, result = row["seen"], row["result"]
    if result == "kept":
        return "+"
    if result == "info":
        more = re.search(r"([0-9.]+) (ns|us|ms|s) more", seen)
        number, unit = (more or re.search(r"([0-9.]+) (ns|us|ms|s)\b", seen)).groups()
        wanted = "ms" if row["id"] == LAST[0] else "us"
        scale = {"ns": 0.001, "us": 1, "ms": 1000, "s": 1000000}
        return f"{float(number) * scale[unit] / scale[wanted]:.0f}"
    if row["kept"]:
        return f"{100 * row['kept'] // row['runs']}%"
    if result == "broken":
        many = re.search(r"(\d+) of (\d+)(;| answered)", seen)
        share = 100 * int(many[1]) // int(many[2]) if many and row["runs"] == 1 else 0
        return f"{share}%" if share else "-"
    for words, mark in (("in place of a reset", "FIN"), ("in place of FIN", "RST"),
                        ("plain byte", "pln"), ("no connection", "no"),
                        ("whole answer", "..."), ("HTTP/1.1 500", "500"),
                        ("then nothing", "..."), ("then FIN", "FIN"),
                        ("reset", "RST"), ("Reset", "RST"), ("port of", "own"), ("into", "own")):
        if words in seen:
            return mark
    return "*"


def page_part(relays, order):
    lines = ["```text", " " * 31 + "".join(f"{relay.letter:<4}" for relay in relays).rstrip()]
    for name in order:
        cells = "".join(f"{cell(relay.rows.get(name)):<4}" for relay in relays)
        unit = {LAST[0]: ", ms", LAST[1]: ", us"}.get(name, "")
        lines.append(f"{name + unit:<31}{cells}".rstrip())
    lines += ["```", ""]
    for relay in relays:
        values = dict(relay.values, near=":1", far=":2", between=":3", near_host="HOST",
                      far_host="SERVER", near_port=1, far_port=2)
        shown = relay.shown.format(**values)
        lines += textwrap.wrap(f"- **{relay.letter}** {relay.name} {relay.version()}: `{shown}`",
                               98, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines)


def draw(relays, order):
    """The table as a picture, with the marks of the page."""
    wide, high, left, top = 34, 19, 196, 168
    kinds = {"+": "kept", "-": "broken", "?": "info"}
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + wide * len(relays) + 84} '
           f'{top + high * len(order) + 34}" font-family="sans-serif" font-size="12">'
           "<title>What relays do to TCP: rows of echopath, columns of relays</title><style>"
           ".kept{fill:#bfe5c4}.changed{fill:#f6dc8c}.broken{fill:#f0a8a4}.some{fill:#f3c089}"
           ".info{fill:#e4e7eb}</style><rect width='100%' height='100%' fill='white'/>"]

    def text(x, y, words, more=""):
        out.append(f'<text x="{x}" y="{y}"{more}>{html.escape(words)}</text>')

    def box(x, y, kind):
        out.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{wide - 2}" height="{high - 2}"/>')

    for column, relay in enumerate(relays):
        x = left + wide * column
        label = ", ".join([relay.name] + relay.shown.rstrip(";").split("and: ")[1:])
        text(x + 20, top - 8, label, f' transform="rotate(-50 {x + 20} {top - 8})"')
        for line, name in enumerate(order):
            mark = cell(relay.rows.get(name))
            kind = kinds.get(mark, "some" if mark.endswith("%") else
                             "info" if mark.isdigit() and name in LAST else "changed")
            box(x, top + high * line, kind)
            text(x + wide / 2 - 1, top + high * line + 13, {"+": "", "-": "\u00d7"}.get(mark, mark),
                 ' text-anchor="middle" font-size="11"')
    for line, name in enumerate(order):
        unit = {LAST[0]: ", ms", LAST[1]: ", us"}.get(name, "")
        text(left - 8, top + high * line + 13, name + unit, ' text-anchor="end"')
    y = top + high * len(order) + 12
    for i, (kind, words) in enumerate([("kept", "as without a relay"), ("changed", "changed"),
                                       ("broken", "lost, stuck or not seen"),
                                       ("some", "kept in some tries"), ("info", "a figure")]):
        box(left - 180 + 168 * i, y, kind)
        text(left - 142 + 168 * i, y + 13, words)
    return "\n".join(out) + "\n</svg>\n"


def parse():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--page", type=pathlib.Path, default=TOP / "docs/conformance.md")
    parser.add_argument("echopath")
    parser.add_argument("letters", nargs="*")
    return parser.parse_args()


def main():
    options = parse()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if options.install:
        subprocess.run([TOP / "tools/install-deps.sh", "relays"], check=True)
    folder = (options.keep or pathlib.Path(tempfile.mkdtemp())).resolve()
    for i, relay in enumerate(RELAYS):
        relay.at(i, folder / chr(ord("a") + i))
    relays = [relay for relay in RELAYS if not options.letters or relay.letter in options.letters]
    listed = subprocess.run([options.echopath, "--list"], stdout=subprocess.PIPE, text=True,
                            check=True).stdout
    order = re.findall(r"^([a-z][-a-z0-9/]+)", listed, re.M)
    rest = [name for name in order if name not in LAST + BURST]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda relay: try_rows(options.echopath, relay, rest, "rows"), relays))
    for relay in relays:
        try_rows(options.echopath, relay, LAST, "delays")
        try_rows(options.echopath, relay, BURST, "burst")
    part = page_part(relays, order)
    if options.letters:
        print(part)
    else:
        text = options.page.read_text()
        before, after = text.split(BEGIN)[0], text.split(END)[-1]
        options.page.write_text(f"{before}{BEGIN}\n{part}\n{END}{after}")
        (options.page.parent / "img/conformance.svg").write_text(draw(relays, order))
    if not options.keep:
        shutil.rmtree(folder)
    sys.exit(3 if any(relay.failed for relay in relays) else 0)


if __name__ == "__main__":
    main()
