// Start one empty goroutine and wait for it, again and again.
package main

import (
	"fmt"
	"sync"
	"time"
)

const times = 1_000_000

func main() {
	ran := 0
	var ended sync.WaitGroup
	started := time.Now()
	for i := 0; i < times; i++ {
		ended.Add(1)
		go func() {
			ran++
			ended.Done()
		}()
		ended.Wait()
	}
	elapsed := time.Since(started)
	if ran != times {
		panic("a goroutine did not run")
	}
	fmt.Printf("{\"task\": %.2f}\n", float64(elapsed.Nanoseconds())/times)
}
