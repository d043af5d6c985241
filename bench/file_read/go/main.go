// Many goroutines read random blocks of a file that the kernel does not have in memory: reads a
// second, and CPU time each. Every block says where it lies.
package main

import (
	"encoding/binary"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	block     = 4096
	blocks    = 32768
	readsEach = 400
	random    = 1 // POSIX_FADV_RANDOM
	dontNeed  = 4 // POSIX_FADV_DONTNEED
)

func check(held bool, what string) {
	if !held {
		fmt.Fprintln(os.Stderr, "check failed:", what)
		os.Exit(1)
	}
}

func advise(file *os.File, advice uintptr) {
	_, _, errno := syscall.Syscall6(syscall.SYS_FADVISE64, file.Fd(), 0, 0, advice, 0, 0)
	check(errno == 0, "posix_fadvise")
}

func makeColdFile() *os.File {
	file, err := os.CreateTemp(".", "file_read-")
	check(err == nil && os.Remove(file.Name()) == nil, "a file in the current folder")
	data := make([]byte, block)
	for i := uint64(0); i < blocks; i++ {
		binary.LittleEndian.PutUint64(data, i)
		_, err := file.Write(data)
		check(err == nil, "write")
	}
	check(file.Sync() == nil, "fsync")
	advise(file, dontNeed)
	advise(file, random)
	return file
}

func cpu() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil, "getrusage")
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func main() {
	routines := 64
	if len(os.Args) > 1 {
		routines, _ = strconv.Atoi(os.Args[1])
	}
	file := makeColdFile()
	var all sync.WaitGroup
	all.Add(routines)
	started, before := time.Now(), cpu()
	for i := 0; i < routines; i++ {
		go func(seed int64) {
			defer all.Done()
			source := rand.New(rand.NewSource(seed))
			data := make([]byte, block)
			for k := 0; k < readsEach; k++ {
				number := source.Int63n(blocks)
				got, err := file.ReadAt(data, number*block)
				check(err == nil && got == block, "a whole block")
				check(binary.LittleEndian.Uint64(data) == uint64(number), "the block that was asked for")
			}
		}(int64(i))
	}
	all.Wait()
	reads := float64(routines * readsEach)
	fmt.Printf("{\"reads_per_s\": %.0f, \"cpu_us\": %.2f}\n",
		reads/time.Since(started).Seconds(), float64((cpu()-before).Microseconds())/reads)
}
