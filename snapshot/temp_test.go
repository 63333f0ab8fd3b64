package snapshot

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// What a killed writer left goes with the next holder of the lock; what a living one is about
// to rename stays.
func TestTempsOfKilledWritersAreSwept(t *testing.T) {
	s := newStore(t)
	for _, dir := range []string{leasesName, pagesName, pagesName + "/pages/ab", rankingsName, usageName} {
		must(t, os.MkdirAll(s.join(dir), 0o700))
		must(t, os.WriteFile(s.join(dir, ".new-killed"), nil, 0o600))
		must(t, os.WriteFile(s.join(dir, "kept"), nil, 0o600))
	}
	alive, err := newTemp(s.join(leasesName))
	must(t, err)
	lock, err := s.Lock()
	must(t, err)
	must(t, lock.Unlock())
	for _, dir := range []string{leasesName, pagesName, pagesName + "/pages/ab", rankingsName, usageName} {
		if _, err := os.Lstat(s.join(dir, ".new-killed")); !os.IsNotExist(err) {
			t.Errorf("%s: a killed writer's file: %v", dir, err)
		}
		if _, err := os.Lstat(s.join(dir, "kept")); err != nil {
			t.Errorf("%s: a whole file: %v", dir, err)
		}
	}
	if _, err := os.Lstat(alive.Name()); err != nil {
		t.Errorf("a living writer's file: %v", err)
	}
	must(t, alive.Close())
}

// Leases are written beside a store that is locked and swept over and over: none is lost, and
// nothing is left.
func TestTempsOfLivingWritersAreNot(t *testing.T) {
	s := newStore(t)
	id := publish(t, s, "one")
	var writers sync.WaitGroup
	stop, swept := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				swept <- n
				return
			default:
				s.sweepTemps()
			}
		}
	}()
	for w := range 4 {
		writers.Go(func() {
			for i := range 500 {
				if err := s.AcquireLease(Lease{Container: fmt.Sprint(w, "-", i), Snapshot: id, PID: 1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	if n := <-swept; n == 0 {
		t.Error("nobody swept")
	}
	leases, err := s.Leases()
	must(t, err)
	if len(leases) != 2000 {
		t.Errorf("%d leases", len(leases))
	}
	if left, _ := filepath.Glob(s.join(leasesName, ".new-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
