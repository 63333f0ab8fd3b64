//go:build linux && amd64

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// workDir is where a run's directory is for it, whatever its name on the host: paths are in leases
// and ports in snapshots, and with the same ones a case is the same each time.
const workDir = "/run/torture"

// isolated runs the program as inside, once or as long as it is to soak, and says how it went.
func isolated(args []string) (status int, err error) {
	o, err := parse(args)
	if err != nil {
		return 1, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	limited := ctx
	if o.soak > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, o.soak)
		defer cancel()
	}
	sum, err := rounds(limited, o, args)
	bad := 0
	for _, t := range sum {
		fmt.Println("total:", t)
		bad += t.Bad
	}
	if ctx.Err() != nil {
		return 130, nil
	}
	return min(bad, 1), err
}

// rounds plays a round for each seed until the time is over; without a time, one.
func rounds(ctx context.Context, o options, args []string) (sum []tally, err error) {
	for seed := o.seed; ctx.Err() == nil; seed++ {
		if o.soak > 0 {
			fmt.Printf("seed %d\n", seed)
		}
		tallies, err := shards(ctx, o.jobs, append(slices.Clone(args), fmt.Sprint("-seed=", seed)))
		sum = add(sum, tallies)
		if err != nil || o.soak == 0 {
			return sum, err
		}
	}
	return sum, nil
}

// add adds tallies to those of the same campaign. What there is of a campaign is no sum.
func add(sum, more []tally) []tally {
	for _, t := range more {
		i := slices.IndexFunc(sum, func(s tally) bool { return s.Campaign == t.Campaign })
		if i < 0 {
			sum = append(sum, t)
			continue
		}
		s := &sum[i]
		s.Cases, s.Bad, s.Missed, s.Seconds, s.All = s.Cases+t.Cases, s.Bad+t.Bad, s.Missed+t.Missed, s.Seconds+t.Seconds, max(s.All, t.All)
	}
	return sum
}

// shards shares the cases among processes, each in namespaces of its own, with a new directory.
func shards(ctx context.Context, jobs int, args []string) (sum []tally, err error) {
	var mu sync.Mutex
	var group errgroup.Group
	for n := range jobs {
		group.Go(func() error {
			tallies, err := alone(ctx, append(slices.Clone(args), fmt.Sprintf("-shard=%d/%d", n, jobs)))
			mu.Lock()
			defer mu.Unlock()
			sum = add(sum, tallies)
			return err
		})
	}
	err = group.Wait()
	return sum, err
}

// alone runs the program as inside, in a mount namespace and a network of its own. The end of ctx
// is no error.
func alone(ctx context.Context, args []string) (tallies []tally, err error) {
	dir, err := os.MkdirTemp("", "larder-torture-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, self, append([]string{"inside", dir}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdout, os.Stderr, []*os.File{w}
	// With CLONE_NEWNS Go makes all mounts private.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET, Setpgid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return nil, fmt.Errorf("make private namespaces: %w", err)
	}
	_ = json.NewDecoder(r).Decode(&tallies)
	if err := cmd.Wait(); err != nil && ctx.Err() == nil {
		return tallies, fmt.Errorf("play: %w", err)
	}
	return tallies, nil
}

// inside plays the campaigns: "inside DIR [FLAG...]". It has a /run of its own, with DIR in it,
// and writes its tallies to descriptor 3.
func inside(args []string) (status int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	unix.CloseOnExec(3)
	if err := errors.Join(unix.Mount("torture", "/run", "tmpfs", 0, "mode=0755"), os.Mkdir(workDir, 0o755),
		unix.Mount(args[0], workDir, "", unix.MS_BIND, ""), loopbackUp()); err != nil {
		return 1, fmt.Errorf("make private namespaces: %w", err)
	}
	o, err := parse(args[1:])
	if err != nil {
		return 1, err
	}
	tallies, err := torture(ctx, o)
	if ctx.Err() != nil {
		err = nil // it has been told to end
	}
	return 0, errors.Join(err, json.NewEncoder(os.NewFile(3, "tallies")).Encode(tallies))
}

// loopbackUp makes 127.0.0.1 work in a new network namespace.
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo)
}
