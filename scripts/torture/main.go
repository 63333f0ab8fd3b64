//go:build linux && amd64

package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	campaigns []campaign
	seed      uint64
	only      string        // what the names of the cases to play have
	bin       string        // where the programs are
	keep      string        // where disks of bad cuts go, or ""
	jobs      int           // processes that share the cases
	soak      time.Duration // how long to go on with other seeds
	shard     shard
}

// shard is the part of the cases that one of several processes plays.
type shard struct{ nth, of int }

func (s *shard) String() string { return fmt.Sprintf("%d/%d", s.nth, s.of) }

func (s *shard) Set(text string) error {
	if _, err := fmt.Sscanf(text, "%d/%d", &s.nth, &s.of); err != nil || s.nth < 0 || s.nth >= s.of {
		return errors.New("not as in 0/2")
	}
	return nil
}

// count is how many cases of a campaign are played.
type count int

const (
	all  count = -1
	once count = -2 // one of each group
)

func (n *count) String() string { return strconv.Itoa(int(*n)) }

func (n *count) Set(text string) error {
	if word, ok := map[string]count{"all": all, "once": once}[text]; ok {
		*n = word
		return nil
	}
	number, err := strconv.ParseUint(text, 10, 31)
	*n = count(number)
	return err
}

// self is what the program runs itself as.
const self = "/proc/self/exe"

// main is one of the helpers if the first argument names one. With an error the exit status is 1,
// unless the helper says another.
func main() {
	helpers := map[string]func(args []string) (status int, err error){"inside": inside, "inject": inject, "filtered": filtered, "logdisk": logdisk}
	run, args := isolated, os.Args[1:]
	if len(args) > 0 && helpers[args[0]] != nil {
		run, args = helpers[args[0]], args[1:]
	}
	status, err := run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		status = cmp.Or(status, 1)
	}
	os.Exit(status)
}

// parse reads the flags; a wrong one ends the program.
func parse(args []string) (o options, err error) {
	o.campaigns = []campaign{
		{name: "kill", cases: kills}, {name: "point", cases: points}, {name: "time", cases: times},
		{name: "errno", cases: errnos}, {name: "site", cases: sites}, {name: "host", cases: hosts},
		{name: "cut", cases: cuts}, {name: "damage", cases: damages},
	}
	o.shard = shard{0, 1}
	flags := flag.NewFlagSet("torture", flag.ExitOnError)
	for i, c := range o.campaigns {
		flags.Var(&o.campaigns[i].count, c.name+"s", "play `N` cases; once: one of each group; all")
	}
	flags.Uint64Var(&o.seed, "seed", 1, "draw the cases by `N`")
	flags.StringVar(&o.only, "case", "", "play only cases whose name has `TEXT`")
	flags.StringVar(&o.bin, "bin", "bin/failpoint", "`DIR` where larder and larder-hook are, built with the tag failpoint")
	flags.StringVar(&o.keep, "keep", "", "keep the disks of bad cuts in `DIR`")
	flags.IntVar(&o.jobs, "jobs", 1, "share the cases among `N` processes")
	flags.DurationVar(&o.soak, "soak", 0, "go on with the next seeds for `TIME`")
	flags.Var(&o.shard, "shard", "play part `I/N` of the cases")
	_ = flags.Parse(args)
	if flags.NArg() > 0 || o.jobs < 1 {
		return o, fmt.Errorf("not understood: %s", strings.Join(args, " "))
	}
	o.bin, err = filepath.Abs(o.bin)
	return o, err
}
