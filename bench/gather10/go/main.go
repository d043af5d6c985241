// Ten empty goroutines, each with a result, and a WaitGroup that waits for them, again and again.
package main

import (
	"fmt"
	"sync"
	"time"
)

const (
	children = 10
	times    = 200_000
)

func sumOfTen() int {
	var results [children]int
	var all sync.WaitGroup
	all.Add(children)
	for i := range results {
		go func(result *int) {
			*result = 1
			all.Done()
		}(&results[i])
	}
	all.Wait()
	sum := 0
	for _, result := range results {
		sum += result
	}
	return sum
}

func main() {
	ran := 0
	started := time.Now()
	for i := 0; i < times; i++ {
		ran += sumOfTen()
	}
	elapsed := time.Since(started)
	if ran != children*times {
		panic("a goroutine did not run")
	}
	fmt.Printf("{\"child\": %.2f}\n", float64(elapsed.Nanoseconds())/(children*times))
}
