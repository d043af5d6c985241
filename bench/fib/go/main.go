// Fibonacci's numbers the slow way, with a goroutine for one half of each sum.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func fib(n int64) int64 {
	if n < 2 {
		return n
	}
	first := make(chan int64, 1)
	go func() { first <- fib(n - 1) }()
	second := fib(n - 2)
	return <-first + second
}

// The number itself, and how many sums, each with a goroutine, it is made of.
func expected(n int64) (value, tasks int64) {
	value, tasks = 1, 0
	valueBefore, tasksBefore := int64(0), int64(0)
	for i := int64(1); i < n; i++ {
		value, valueBefore = value+valueBefore, value
		tasks, tasksBefore = tasks+tasksBefore+1, tasks
	}
	return value, tasks
}

func main() {
	n := int64(30)
	if len(os.Args) > 1 {
		parsed, err := strconv.ParseInt(os.Args[1], 10, 64)
		if err != nil || parsed <= 0 {
			panic("the argument is which number of Fibonacci")
		}
		n = parsed
	}
	started := time.Now()
	found := fib(n)
	elapsed := time.Since(started)
	value, tasks := expected(n)
	if found != value {
		panic("it is not the number of Fibonacci")
	}
	fmt.Printf("{\"task\": %.2f}\n", float64(elapsed.Nanoseconds())/float64(tasks))
}
