// As many producers and consumers as there are processors share one channel of 64: ten million items.
package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

const (
	capacity = 64
	items    = 10_000_000
)

func main() {
	pairs := runtime.GOMAXPROCS(0)
	each := items / pairs
	channel := make(chan int, capacity)
	sums := make([]int, pairs)
	var producers, consumers sync.WaitGroup
	started := time.Now()
	for i := 0; i < pairs; i++ {
		i := i
		producers.Add(1)
		consumers.Add(1)
		go func() {
			for item := 1; item <= each; item++ {
				channel <- item
			}
			producers.Done()
		}()
		go func() {
			sum := 0
			for item := range channel {
				sum += item
			}
			sums[i] = sum
			consumers.Done()
		}()
	}
	producers.Wait()
	close(channel)
	consumers.Wait()
	elapsed := time.Since(started)
	sum := 0
	for _, own := range sums {
		sum += own
	}
	if sum != pairs*(each*(each+1)/2) {
		panic("an item was lost")
	}
	fmt.Printf("{\"item\": %.2f}\n", float64(elapsed.Nanoseconds())/float64(pairs*each))
}
