// Many goroutines wait for one channel to close: the memory that a waiting goroutine holds, and the
// time to start it and to wake and end it.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Resident pages and the page tables that map them, as the C++ programs count it.
func memory() int64 {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		panic(err)
	}
	defer status.Close()
	var kib int64
	for lines := bufio.NewScanner(status); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if fields[0] == "VmRSS:" || fields[0] == "VmPTE:" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				panic(err)
			}
			kib += n
		}
	}
	return kib * 1024
}

func main() {
	count := int64(100_000)
	if len(os.Args) > 1 {
		n, err := strconv.ParseInt(os.Args[1], 10, 64)
		if err != nil || n <= 0 {
			panic("the argument is a number of goroutines")
		}
		count = n
	}
	opened := make(chan struct{})
	ended := make(chan int64, 1024)
	var arrived int64

	before := memory()
	started := time.Now()
	for id := int64(0); id < count; id++ {
		go func(id int64) {
			atomic.AddInt64(&arrived, 1)
			<-opened
			ended <- id
		}(id)
	}
	for atomic.LoadInt64(&arrived) < count {
		runtime.Gosched()
	}
	startTime := time.Since(started)
	held := memory() - before

	woken := time.Now()
	close(opened)
	sum := int64(0)
	for i := int64(0); i < count; i++ {
		sum += <-ended
	}
	wakeTime := time.Since(woken)
	if sum != count*(count-1)/2 {
		panic("a goroutine did not wake")
	}
	each := func(n int64) float64 { return float64(n) / float64(count) }
	fmt.Printf("{\"memory\": %.1f, \"start\": %.1f, \"wake\": %.1f}\n",
		each(held), each(startTime.Nanoseconds()), each(wakeTime.Nanoseconds()))
}
