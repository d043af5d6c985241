// A hundred goroutines share one mutex and one counter: ten million increments in all.
package main

import (
	"fmt"
	"sync"
	"time"
)

const (
	goroutines = 100
	locksEach  = 100_000
)

func main() {
	var mutex sync.Mutex
	var all sync.WaitGroup
	counter := 0
	all.Add(goroutines)
	started := time.Now()
	for i := 0; i < goroutines; i++ {
		go func() {
			for turn := 0; turn < locksEach; turn++ {
				mutex.Lock()
				counter++
				mutex.Unlock()
			}
			all.Done()
		}()
	}
	all.Wait()
	elapsed := time.Since(started)
	if counter != goroutines*locksEach {
		panic("an increment is lost")
	}
	fmt.Printf("{\"lock\": %.2f}\n", float64(elapsed.Nanoseconds())/(goroutines*locksEach))
}
