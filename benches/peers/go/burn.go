package main

import (
	"io"
	"log"
	"net/http"
	"sort"
	"strconv"
	"syscall"
	"time"
)

// One goroutine moves between threads and shares them with others, so no thread's CPU clock is its own, and locking it
// to a thread would change how it is scheduled. So a millisecond is a number of rounds that calibrate measures.
var roundsPerMs uint64

// Keeps the compiler from dropping the loop.
var sink uint64

// Each round waits for the one before it, so that it takes the same time whatever else the core does.
func spin(rounds uint64) uint64 {
	x := rounds
	for i := uint64(0); i < rounds; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

// CPU time leaves out what other processes take, and the median leaves out what disturbs a try all the same.
func calibrate() {
	const rounds = 20_000_000
	var times []float64
	for i := 0; i < 9; i++ {
		start := cpuTime()
		sink += spin(rounds)
		times = append(times, float64(cpuTime()-start))
	}
	sort.Float64s(times)
	roundsPerMs = uint64(rounds * float64(time.Millisecond) / times[4])
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func burn(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.ParseUint(r.URL.Query().Get("ms"), 10, 32)
	if err != nil {
		http.Error(w, "ms is no number", http.StatusBadRequest)
		return
	}
	if spin(ms*roundsPerMs) == 0 {
		log.Print("a result that the compiler cannot foresee")
	}
	io.WriteString(w, "burnt")
}
