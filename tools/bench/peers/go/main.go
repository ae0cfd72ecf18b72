// Go's net package: a goroutine for each connection. TCP_NODELAY is Go's default; it raises the
// limit of descriptors itself and listens with the kernel's largest backlog. `peer PORT`
package main

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
)

// A new one is zeroed, which connections that come and go need not pay for each time.
var buffers = sync.Pool{New: func() any { return new([65536]byte) }}

func serve(conn net.Conn) {
	defer conn.Close()
	buffer := buffers.Get().(*[65536]byte)
	defer buffers.Put(buffer)
	for {
		received, err := conn.Read(buffer[:])
		if received > 0 {
			if _, failed := conn.Write(buffer[:received]); failed != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: peer PORT")
		os.Exit(2)
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	for {
		if conn, err := listener.Accept(); err == nil {
			go serve(conn)
		}
	}
}
