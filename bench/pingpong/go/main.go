// Two goroutines hand a value to each other over unbuffered channels, there and back.
package main

import (
	"fmt"
	"time"
)

const roundTrips = 1_000_000

func main() {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for value := range ping {
			pong <- value + 1
		}
		close(pong)
	}()
	value := 0
	started := time.Now()
	for i := 0; i < roundTrips; i++ {
		ping <- value
		value = <-pong
	}
	elapsed := time.Since(started)
	close(ping)
	if _, open := <-pong; open || value != roundTrips {
		panic("a round trip was lost")
	}
	fmt.Printf("{\"round_trip\": %.2f}\n", float64(elapsed.Nanoseconds())/roundTrips)
}
