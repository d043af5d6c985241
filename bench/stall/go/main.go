// The stall workload in Go: the net package as everybody uses it, a goroutine a connection, which
// knows nothing of what the others burn. GOMAXPROCS is the number of workers.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// As in support/burn.h.
const (
	burnMark               = 0xb5
	burnNs                 = 1_000_000
	clockThreadCPU uintptr = 3 // CLOCK_THREAD_CPUTIME_ID
)

func threadCPU() int64 {
	var now syscall.Timespec
	// Raw, or the scheduler would take it for a call that may block.
	_, _, err := syscall.RawSyscall(
		syscall.SYS_CLOCK_GETTIME, clockThreadCPU, uintptr(unsafe.Pointer(&now)), 0)
	if err != 0 {
		log.Fatal(err)
	}
	return now.Nano()
}

// Spins until the thread has had so much CPU time; so the goroutine must not change threads.
func burn() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	until := threadCPU() + burnNs
	for {
		for i := 0; i < 10_000; i++ {
		}
		if threadCPU() >= until {
			return
		}
	}
}

func echo(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if buffer[0] == burnMark {
			burn()
		}
		if _, err := connection.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	// The harness holds the other end of standard input: no server outlives it.
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Printf("listening on %s\n", listener.Addr())
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go echo(connection)
	}
}
