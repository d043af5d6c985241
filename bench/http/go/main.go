// The http workload in Go: net/http as everybody uses it. GOMAXPROCS from the environment is the
// number of workers.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
)

var body = []byte("Hello, world!")

// The fields that nginx sends, too; Date comes by itself.
func hello(writer http.ResponseWriter, _ *http.Request) {
	header := writer.Header()
	header.Set("Server", "go")
	header.Set("Content-Type", "text/plain")
	header.Set("Content-Length", "13")
	header.Set("Connection", "keep-alive")
	writer.Write(body)
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
	server := &http.Server{Handler: http.HandlerFunc(hello), MaxHeaderBytes: 8192}
	log.Fatal(server.Serve(listener))
}
