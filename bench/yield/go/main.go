// Two goroutines give way to each other: every Gosched is a switch.
package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"
)

const yields = 5_000_000

func main() {
	var done [2]int
	var both sync.WaitGroup
	both.Add(len(done))
	started := time.Now()
	for i := range done {
		go func(count *int) {
			defer both.Done()
			for n := 0; n < yields; n++ {
				runtime.Gosched()
				*count++
			}
		}(&done[i])
	}
	both.Wait()
	elapsed := time.Since(started)
	if done[0]+done[1] != 2*yields {
		panic("a yield did not return")
	}
	fmt.Printf("{\"switch\": %.2f}\n", float64(elapsed.Nanoseconds())/(2*yields))
}
