// Start a thousand empty goroutines, then wait for them all, again and again.
package main

import (
	"fmt"
	"sync"
	"time"
)

const (
	batch = 1000
	times = 1000
)

var results [batch]int

func spawnAndWaitForAll() int {
	var all sync.WaitGroup
	all.Add(batch)
	for i := range results {
		go func(result *int) {
			*result = 1
			all.Done()
		}(&results[i])
	}
	all.Wait()
	sum := 0
	for i := range results {
		sum += results[i]
		results[i] = 0
	}
	return sum
}

func main() {
	ran := 0
	started := time.Now()
	for i := 0; i < times; i++ {
		ran += spawnAndWaitForAll()
	}
	elapsed := time.Since(started)
	if ran != batch*times {
		panic("a goroutine did not run")
	}
	fmt.Printf("{\"task\": %.2f}\n", float64(elapsed.Nanoseconds())/(batch*times))
}
