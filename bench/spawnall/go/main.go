// Start a million empty goroutines, then wait for them all.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The most that has been resident at once so far, as the C++ programs count it.
func peakMB() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kib float64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		panic(err)
	}
	return kib * 1024 / 1e6
}

func main() {
	count := 1_000_000
	if len(os.Args) > 1 {
		n, err := strconv.Atoi(os.Args[1])
		if err != nil || n <= 0 {
			panic("the argument is a number of goroutines")
		}
		count = n
	}
	results := make([]int8, count)
	var all sync.WaitGroup
	all.Add(count)
	started := time.Now()
	for i := range results {
		go func(result *int8) {
			*result = 1
			all.Done()
		}(&results[i])
	}
	all.Wait()
	sum := 0
	for _, result := range results {
		sum += int(result)
	}
	elapsed := time.Since(started)
	if sum != count {
		panic("a goroutine did not run")
	}
	fmt.Printf("{\"task\": %.2f, \"peak\": %.1f}\n",
		float64(elapsed.Nanoseconds())/float64(count), peakMB())
}
