// A goroutine waits for a channel until every other thread sleeps, and another, which keeps its own
// thread busy meanwhile, wakes it.
package main

import (
	"fmt"
	"runtime"
	"sort"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	wakes      = 1_000
	mostRounds = 2 * wakes
	settle     = 300 * time.Microsecond // as in wake_times.h
)

type sleeper struct {
	wake    chan struct{}
	ended   chan struct{}
	rounds  atomic.Int64 // times that it is about to wait
	slept   atomic.Bool  // whether the thread did that it ran on, then
	running atomic.Int64 // when it ran again; 0 before the wake
	over    atomic.Bool
}

// The calling thread, and how often it has slept so far.
func threadAndSleeps() (int, int64) {
	const thisThread = 1 // RUSAGE_THREAD
	var usage syscall.Rusage
	if err := syscall.Getrusage(thisThread, &usage); err != nil {
		panic(err)
	}
	return syscall.Gettid(), usage.Nvcsw
}

func (s *sleeper) run(began time.Time, wakersThread int) {
	for !s.over.Load() {
		thread, sleeps := threadAndSleeps()
		s.rounds.Add(1)
		<-s.wake
		now := int64(time.Since(began))
		threadNow, sleepsNow := threadAndSleeps()
		s.slept.Store(threadNow != wakersThread && (threadNow != thread || sleepsNow != sleeps))
		s.running.Store(now)
	}
	close(s.ended)
}

func quantileUs(ns []int64, fraction float64) float64 {
	sort.Slice(ns, func(i, j int) bool { return ns[i] < ns[j] })
	return float64(ns[int(fraction*float64(len(ns)-1))]) / 1e3
}

func main() {
	runtime.LockOSThread()
	began := time.Now()
	s := sleeper{wake: make(chan struct{}), ended: make(chan struct{})}
	go s.run(began, syscall.Gettid())
	var woken, waker []int64
	for round := int64(1); len(woken) < wakes; round++ {
		if round > mostRounds {
			panic("no thread is woken, most times")
		}
		for s.rounds.Load() < round {
		}
		for until := time.Since(began) + settle; time.Since(began) < until; {
		}
		s.running.Store(0)
		called := int64(time.Since(began))
		s.wake <- struct{}{}
		returned := int64(time.Since(began))
		for s.running.Load() == 0 {
		}
		if s.slept.Load() {
			woken = append(woken, s.running.Load()-called)
			waker = append(waker, returned-called)
		}
	}
	s.over.Store(true)
	s.wake <- struct{}{}
	<-s.ended
	fmt.Printf("{\"p50\": %.2f, \"p99\": %.2f, \"waker_p50\": %.2f, \"waker_p99\": %.2f}\n",
		quantileUs(woken, 0.5), quantileUs(woken, 0.99),
		quantileUs(waker, 0.5), quantileUs(waker, 0.99))
}
