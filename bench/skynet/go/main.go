// A tree of goroutines with ten children a node and a million leaves; the children tell their parent
// what they found over its channel, which has room for all of them. All are started before the
// first is waited for.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const children = 10

func skynet(first, leaves int64, found chan<- int64) {
	if leaves == 1 {
		found <- first
		return
	}
	results := make(chan int64, children)
	each := leaves / children
	for i := int64(0); i < children; i++ {
		go skynet(first+i*each, each, results)
	}
	sum := int64(0)
	for i := 0; i < children; i++ {
		sum += <-results
	}
	found <- sum
}

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
	leaves := int64(1_000_000)
	if len(os.Args) > 1 {
		n, err := strconv.ParseInt(os.Args[1], 10, 64)
		if err != nil || n <= 0 {
			panic("the argument is a number of leaves")
		}
		leaves = n
	}
	tasks := int64(0)
	for row := int64(1); row <= leaves; row *= children {
		tasks += row
	}
	started := time.Now()
	found := make(chan int64, 1)
	go skynet(0, leaves, found)
	sum := <-found
	elapsed := time.Since(started)
	if sum != leaves*(leaves-1)/2 {
		panic("a leaf is missing")
	}
	fmt.Printf("{\"task\": %.2f, \"peak\": %.1f}\n",
		float64(elapsed.Nanoseconds())/float64(tasks), peakMB())
}
