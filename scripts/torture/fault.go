//go:build linux && amd64

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// fault is what inject does to one call of a command.
type fault struct {
	Class   string // of the call; "": the classes of all calls are noted
	Nth     int
	Do      string
	Persist bool
}

func (x fault) String() string {
	s := fmt.Sprintf("%s at %q %d", x.Do, x.Class, x.Nth)
	if x.Persist {
		s += " and later"
	}
	return s
}

// onInput says whether the fault is on a file that the user named, and not on the store's.
func (x fault) onInput() bool {
	return strings.Contains(x.Class, "/config.toml") || strings.Contains(x.Class, "/lock0.txt")
}

// spoil runs a command with a fault, and returns what inject noted.
func (w *world) spoil(ctx context.Context, in invocation, x fault) (result, []string) {
	log := filepath.Join(workDir, "inject.log")
	b, _ := json.Marshal(x)
	r := w.do(ctx, invocation{args: append([]string{self, "inject", live, log, string(b)}, in.args...), stdin: in.stdin})
	noted, _ := os.ReadFile(log)
	return r, strings.FieldsFunc(string(noted), func(c rune) bool { return c == '\n' })
}

// rehearse finds the classes of calls that a scenario makes, and how often.
func (w *world) rehearse(ctx context.Context, s scenario) (classes map[string]int, err error) {
	if classes := w.classes[s.name]; classes != nil {
		return classes, nil
	}
	in, err := w.begin(ctx, s)
	if err != nil {
		return nil, err
	}
	r, noted := w.spoil(ctx, in, fault{})
	if err := s.done(w); r.code != 0 || err != nil {
		return nil, fmt.Errorf("%s, rehearsed: %s; %v", s.name, r, err)
	}
	if s.name == "mount" && !slices.ContainsFunc(mounted(live), func(line string) bool { return strings.HasPrefix(line, "/sys/block/") }) {
		return nil, errors.New("a loop device that is in use is not seen: that none is left would prove nothing")
	}
	classes = map[string]int{}
	for _, class := range noted {
		classes[class]++
	}
	w.classes[s.name] = classes
	return classes, nil
}

// rehearsed plays a scenario, changed in a way that does no harm, and returns how long its command took.
func (w *world) rehearsed(ctx context.Context, s scenario, change func(invocation) invocation) (time.Duration, error) {
	in, err := w.begin(ctx, s)
	if err != nil {
		return 0, err
	}
	seen := func() bool { return true }
	if s.name == sources.name {
		seen = watch()
	}
	start := time.Now()
	r := w.do(ctx, change(in))
	took := time.Since(start)
	if !seen() {
		return 0, errors.New("a container that runs is not seen: that none is left would prove nothing")
	}
	if err := s.done(w); r.code != 0 || err != nil {
		return 0, fmt.Errorf("%s, rehearsed: %s; %v", s.name, r, err)
	}
	return took, nil
}

// begin makes live what a scenario begins with.
func (w *world) begin(ctx context.Context, s scenario) (invocation, error) {
	w.endContainer()
	if err := w.load(ctx, s.from); err != nil {
		return invocation{}, err
	}
	return s.prepare(ctx, w)
}

// judgeFault finds what was bad about the command itself.
type judgeFault func(f *found, w *world, s scenario, x fault, r result, reached bool)

// faults makes a case of each fault that list gives for a class of calls of a scenario.
func faults(ctx context.Context, w *world, list func(s scenario, class string, count int) []fault, judge judgeFault) (cases []testCase, err error) {
	for _, s := range w.scenarios() {
		classes, err := w.rehearse(ctx, s)
		if err != nil {
			return nil, err
		}
		for class, count := range classes {
			for _, x := range list(s, class, count) {
				cases = append(cases, testCase{group: s.name, name: s.name + ": " + x.String(),
					play: func(ctx context.Context) ([]string, bool) { return w.playFault(ctx, s, x, judge) }})
			}
		}
	}
	slices.SortFunc(cases, func(a, b testCase) int { return strings.Compare(a.name, b.name) })
	return cases, nil
}

func (w *world) playFault(ctx context.Context, s scenario, x fault, judge judgeFault) (f found, reached bool) {
	in, err := w.begin(ctx, s)
	if err != nil {
		return found{err.Error()}, false
	}
	r, fired := w.spoil(ctx, in, x)
	judge(&f, w, s, x, r, len(fired) > 0)
	return append(f, w.recovers(ctx, s)...), len(fired) > 0
}

// places are where in a row of calls of one class a fault is put: the first, one in the middle,
// the last.
func places(count int) []int {
	return slices.Compact([]int{1, (count + 1) / 2, count})
}

// failures are the errors that a host gives for each call.
var failures = map[string][]string{
	"read": {"EIO", "EINTR"}, "pread": {"EIO", "EINTR"}, "getdents": {"EIO"},
	"write": {"EIO", "ENOSPC", "EDQUOT"}, "pwrite": {"EIO", "ENOSPC"}, "copy_file_range": {"EIO", "ENOSPC", "EOPNOTSUPP"}, "sendfile": {"EIO", "ENOSPC"},
	"open": {"EIO", "EMFILE", "ENOMEM"}, "openat": {"EIO", "EMFILE", "ENFILE", "EACCES", "EROFS", "EINTR"}, "openat2": {"EIO", "EMFILE", "EAGAIN"},
	"fsync": {"EIO", "ENOSPC"}, "fdatasync": {"EIO"}, "syncfs": {"EIO", "ENOSPC"}, "ftruncate": {"EIO", "ENOSPC"}, "fallocate": {"ENOSPC", "EOPNOTSUPP"},
	"flock": {"EIO", "ENOLCK", "EINTR"}, "fcntl-setlease": {"EAGAIN", "EINVAL"},
	"stat": {"EIO", "EACCES"}, "statx": {"EIO", "EACCES"}, "fstat": {"EIO"}, "statfs": {"EIO"}, "fstatfs": {"EIO"}, "readlink": {"EIO"}, "readlinkat": {"EIO", "EACCES"},
	"mkdir": {"EIO", "ENOSPC", "EROFS"}, "mkdirat": {"EIO", "ENOSPC", "EROFS", "EACCES"}, "mknodat": {"EIO", "ENOSPC", "EPERM"},
	"rename": {"EIO", "ENOSPC", "EROFS"}, "renameat": {"EIO", "ENOSPC", "EROFS"}, "renameat2": {"EIO", "ENOSPC", "EROFS"}, "link": {"EIO", "EMLINK"}, "linkat": {"EIO", "EMLINK"},
	"symlink": {"EIO", "ENOSPC"}, "symlinkat": {"EIO", "ENOSPC"}, "unlink": {"EIO", "EROFS"}, "unlinkat": {"EIO", "EROFS", "EBUSY"}, "rmdir": {"EIO", "EBUSY"},
	"chmod": {"EIO", "EROFS"}, "fchmod": {"EIO", "EROFS"}, "fchmodat": {"EIO", "EROFS"}, "fchmodat2": {"EIO", "EROFS"}, "fchown": {"EIO", "EPERM"}, "fchownat": {"EIO", "EPERM"},
	"lchown": {"EIO"}, "utimensat": {"EIO", "EROFS"}, "setxattr": {"ENOSPC", "EOPNOTSUPP"}, "fsetxattr": {"ENOSPC", "EOPNOTSUPP"},
	"mount": {"ENOMEM", "EPERM", "ENOSPC"}, "umount": {"EBUSY", "EINVAL"}, "open_tree": {"EMFILE", "ENOMEM", "EPERM"}, "move_mount": {"ENOMEM", "ENOSPC", "EPERM"},
	"mount_setattr": {"ENOMEM", "EPERM"}, "fsopen": {"EMFILE", "ENOMEM", "ENODEV"}, "fsconfig": {"EIO", "ENOMEM", "EBUSY"}, "fsmount": {"EMFILE", "ENOMEM"},
	"ioctl": {"EIO", "EBUSY"}, "unshare": {"ENOSPC", "ENOMEM", "EPERM"}, "setns": {"EPERM", "ENOMEM"}, "clone": {"EAGAIN"}, "clone3": {"EAGAIN"},
	"execve": {"EIO", "ENOMEM", "EACCES"}, "pipe2": {"EMFILE"}, "chdir": {"EIO"}, "fchdir": {"EIO"}, "chroot": {"EPERM"}, "pivot_root": {"EPERM"},
}

func errnos(ctx context.Context, w *world) ([]testCase, error) {
	list := func(s scenario, class string, count int) (all []fault) {
		name, _, _ := strings.Cut(class, " ")
		for _, errno := range failures[name] {
			for _, nth := range places(count) {
				all = append(all, fault{class, nth, errno, false})
			}
			// Those pass; and without threads Go's runtime dies, which only the hook need bear.
			if count > 1 && errno != "EINTR" && (errno != "EAGAIN" || s.hook()) {
				all = append(all, fault{class, 1, errno, true})
			}
		}
		return all
	}
	return faults(ctx, w, list, judgeErrno)
}

// everywhere are the errors that any call of a host may give.
var everywhere = []string{"EIO", "ENOSPC", "EROFS", "EINTR", "EMFILE"}

// sites are the distinct calls, whichever command makes them, each with every error.
func sites(ctx context.Context, w *world) (cases []testCase, err error) {
	list := func(_ scenario, class string, count int) (all []fault) {
		if strings.HasPrefix(class, "clone") { // without threads Go's runtime dies: see errnos
			return nil
		}
		for _, errno := range everywhere {
			for _, nth := range places(count) {
				all = append(all, fault{class, nth, errno, false})
			}
		}
		return all
	}
	cases, err = faults(ctx, w, list, judgeErrno)
	for i := range cases {
		_, site, _ := strings.Cut(cases[i].name, " at ")
		cases[i].group = site[:strings.LastIndexByte(site, ' ')] // without which of them it is
	}
	return cases, err
}

func judgeErrno(f *found, w *world, s scenario, x fault, r result, reached bool) {
	f.sane(r)
	done := s.done(w)
	switch {
	case !reached:
	case r.code != 0 && s.name == "attach":
		f.add("the container would not start: %s", r)
	case strings.HasPrefix(s.name, "run") || x.onInput(): // the code may be the command's, the fault the input's
	case r.code == 8:
		f.add("skips a wheel: %s", r)
	default:
		f.blameless(r)
	}
	f.honest(w, r, done)
}
