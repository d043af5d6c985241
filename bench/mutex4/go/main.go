// Four goroutines lock one mutex 100,000 times each and give way while they hold it.
package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

const (
	goroutines = 4
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
				seen := counter
				runtime.Gosched()
				counter = seen + 1
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
	fmt.Printf("{\"all\": %.3f}\n", float64(elapsed.Nanoseconds())/1e6)
}
