"""The tutorial's way with many clients: socketserver, a thread for each connection, recv(1024) and sendall.

Only the backlog and TCP_NODELAY are added. `python_threads.py PORT`
"""

import resource
import socket
import socketserver
import sys


class Echo(socketserver.BaseRequestHandler):
    def setup(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle(self):
        try:
            while data := self.request.recv(1024):
                self.request.sendall(data)
        except ConnectionError:
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 4096


def main():
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit("usage: python_threads.py PORT")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with Server(("127.0.0.1", int(sys.argv[1])), Echo) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
