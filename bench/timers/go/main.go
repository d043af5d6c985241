// Many goroutines sleep for one second at once: wall and CPU time. Then a deadline around a call
// that returns at once: arm and cancel.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func sleepTogether(count int) (wall, spent time.Duration) {
	var early int64
	var all sync.WaitGroup
	all.Add(count)
	started, before := time.Now(), cpu()
	for i := 0; i < count; i++ {
		go func() {
			defer all.Done()
			began := time.Now()
			time.Sleep(time.Second)
			if time.Since(began) < time.Second {
				atomic.AddInt64(&early, 1)
			}
		}()
	}
	all.Wait()
	wall, spent = time.Since(started), cpu()-before
	if early != 0 {
		panic("a goroutine woke before its time")
	}
	return wall, spent
}

//go:noinline
func returnsAtOnce(context.Context) int { return 1 }

func armAndCancel() float64 {
	const times = 1_000_000
	returned := 0
	started := time.Now()
	for i := 0; i < times; i++ {
		deadline, cancel := context.WithTimeout(context.Background(), time.Hour)
		returned += returnsAtOnce(deadline)
		cancel()
	}
	elapsed := time.Since(started)
	if returned != times {
		panic("a call did not return")
	}
	return float64(elapsed.Nanoseconds()) / times
}

func main() {
	count := 100_000
	if len(os.Args) > 1 {
		n, err := strconv.Atoi(os.Args[1])
		if err != nil || n <= 0 {
			panic("the argument is a number of goroutines")
		}
		count = n
	}
	wall, spent := sleepTogether(count)
	fmt.Printf("{\"wall\": %.4f, \"cpu\": %.4f, \"arm\": %.2f}\n",
		wall.Seconds(), spent.Seconds(), armAndCancel())
}
