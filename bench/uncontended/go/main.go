// What synchronisation costs where nobody waits: a mutex, a receive of an item that is there, and a
// select of two receives. Medians of batches.
package main

import (
	"fmt"
	"sort"
	"sync"
	"time"
)

const (
	times   = 4096
	batches = 501
)

func median(before func(), all func()) float64 {
	var found []float64
	for i := 0; i < batches; i++ {
		before()
		begin := time.Now()
		all()
		found = append(found, float64(time.Since(begin).Nanoseconds())/times)
	}
	sort.Float64s(found)
	return found[batches/2]
}

func main() {
	sum := 0
	var mutex sync.Mutex
	lock := median(func() {}, func() {
		for i := 0; i < times; i++ {
			mutex.Lock()
			sum++
			mutex.Unlock()
		}
	})
	full, other := make(chan int, times), make(chan int, times)
	fill := func() {
		for item := 1; item <= times; item++ {
			full <- item
		}
	}
	receive := median(fill, func() {
		for i := 0; i < times; i++ {
			sum += <-full
		}
	})
	choose := median(fill, func() {
		for i := 0; i < times; i++ {
			select {
			case item := <-full:
				sum += item
			case item := <-other:
				sum += item
			}
		}
	})
	if sum != times*batches+2*batches*times*(times+1)/2 {
		panic("an item was lost")
	}
	fmt.Printf("{\"lock\": %.2f, \"receive\": %.2f, \"select\": %.2f, \"select_receives\": %.2f}\n",
		lock, receive, choose, choose/receive)
}
