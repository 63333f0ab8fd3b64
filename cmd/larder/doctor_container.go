package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/urfave/cli/v2"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// containerLook looks at one container.
type containerLook struct {
	id       string
	store    *snapshot.Store
	lease    snapshot.Lease
	mounts   []*mountinfo.Info // of Larder's, in the container
	findings []finding
}

// containerChecks say whether a container has its cache, and uses it. Each rests on the last: what
// follows a failure is not asked.
func containerChecks(c *cli.Context, id string) ([]finding, error) {
	s, err := openStore(c)
	if err != nil {
		return nil, err
	}
	l := &containerLook{id: id, store: s}
	for _, step := range []func() bool{l.leased, l.alive, l.attached, l.lowers} {
		if !step() {
			l.log(c.Context)
			return l.findings, nil
		}
	}
	l.sources()
	l.written()
	l.variables()
	l.log(c.Context)
	return l.findings, nil
}

// note adds a finding, and says whether it is well.
func (l *containerLook) note(name, detail, why string, err error, otherwise, fix string) bool {
	l.findings = append(l.findings, judge("container", name, detail, why, err, otherwise, fix))
	return err == nil
}

const runHook = "larder doctor says whether the runtime runs the hook; larder-hook's line in the log says what it decided"

func (l *containerLook) leased() bool {
	const why = "the hook takes a lease before it mounts anything"
	var err error
	l.lease, err = l.find()
	if !l.note("lease", "", why, err, stateFail, runHook) {
		return false
	}
	l.findings[0].Detail = fmt.Sprintf("snapshot %s, since %s", l.lease.Snapshot.Short(), l.lease.Time.Local().Format(time.DateTime))
	current, err := l.store.Current()
	if err == nil && current != l.lease.Snapshot {
		l.note("snapshot", l.lease.Snapshot.Short()+", and current is "+current.Short()+": a container keeps what it began with", "what was stocked since is not in it", nil, "", "")
	}
	return true
}

// find finds the container's lease, by its id or what people copy of it from their runtime's list: 8
// characters or more. Runtimes have ids of their own, so there can be two of one id.
func (l *containerLook) find() (snapshot.Lease, error) {
	leases, err := l.store.Leases()
	if err != nil {
		return snapshot.Lease{}, err
	}
	var found []snapshot.Lease
	for _, begins := range []bool{false, true} {
		for _, lease := range leases {
			if lease.Container == l.id || begins && len(l.id) >= 8 && strings.HasPrefix(lease.Container, l.id) {
				found = append(found, lease)
			}
		}
		if len(found) > 0 {
			break
		}
	}
	switch len(found) {
	case 0:
		return snapshot.Lease{}, fmt.Errorf("container %q has none: the hook attached nothing, was not run, or released it; or this is not its whole id", l.id)
	case 1:
		l.id = found[0].Container
		return found[0], found[0].Unreadable
	}
	return snapshot.Lease{}, fmt.Errorf("%d containers have ids that begin so, with bundles %s and %s", len(found), found[0].Bundle, found[1].Bundle)
}

func (l *containerLook) alive() bool {
	const why = "a lease whose process is gone is what a missing release leaves"
	var err error
	if ended, how := l.lease.Ended(); ended && l.lease.Engine != nil {
		err = fmt.Errorf("%s; %s can start the container again, and it finds what it wrote", how, l.lease.Engine.Engine)
	} else if ended {
		err = errors.New(how)
	} else if l.lease.PID == 0 {
		err = fmt.Errorf("it is a kept instance at %s, not a process", l.lease.Instance)
	}
	return l.note("process", fmt.Sprintf("%d", l.lease.PID), why, err, stateFail, "larder gc --leftovers takes what it left")
}

// attached looks for Larder's mounts where the container's process sees them.
func (l *containerLook) attached() bool {
	const why = "a view that is not mounted there is not seen there"
	all, err := l.mountinfo()
	if err == nil {
		for _, m := range all {
			if m.FSType == "overlay" && strings.HasPrefix(m.Source, "larder:") {
				l.mounts = append(l.mounts, m)
			}
		}
		if len(l.mounts) == 0 {
			err = fmt.Errorf("none among the %d mounts of process %d", len(all), l.lease.PID)
		}
		for _, name := range l.lost() {
			err = fmt.Errorf("%s was mounted, and is not among the %d mounts of process %d", name, len(all), l.lease.PID)
		}
	}
	return l.note("mounts", l.points(), why, err, stateFail, runHook)
}

// lost are the views that have an upper in the instance, and no mount.
func (l *containerLook) lost() (names []string) {
	parts, _ := os.ReadDir(l.lease.Instance)
	for _, p := range parts {
		there := slices.ContainsFunc(l.mounts, func(m *mountinfo.Info) bool { return hasUpper(m) && mountName(m) == p.Name() })
		if p.IsDir() && !there {
			names = append(names, p.Name())
		}
	}
	return names
}

func (l *containerLook) mountinfo() ([]*mountinfo.Info, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", l.lease.PID))
	if err != nil {
		return nil, err
	}
	return mountinfo.GetMountsFromReader(bytes.NewReader(text), nil)
}

// points are the mounts' names and places: pip at /cache/pip.
func (l *containerLook) points() string {
	var points []string
	for _, m := range l.mounts {
		points = append(points, mountName(m)+" at "+m.Mountpoint)
	}
	return strings.Join(points, ", ")
}

// hasUpper says whether a mount is a view with an upper of its own, and not the read-only view of all.
func hasUpper(m *mountinfo.Info) bool { return strings.Count(m.Source, ":") == 2 }

// mountName is the last part of a source, larder:SNAPSHOT:NAME.
func mountName(m *mountinfo.Info) string { return m.Source[strings.LastIndexByte(m.Source, ':')+1:] }

// lowers compares what the mounts were made of with the lease.
func (l *containerLook) lowers() bool {
	const why = "a container must see the snapshot that its lease holds, or gc could take it away"
	want := "larder:" + l.lease.Snapshot.Short() + ":"
	for _, m := range l.mounts {
		if hasUpper(m) && !strings.HasPrefix(m.Source, want) {
			return l.note("lowers", "", why, fmt.Errorf("%s is of %s, and the lease of %s", m.Mountpoint, m.Source, want), stateFail, "start the container again")
		}
	}
	return l.note("lowers", "of snapshot "+l.lease.Snapshot.Short(), why, nil, "", "")
}

// written says what the container wrote into each upper: a client that used its cache leaves traces.
func (l *containerLook) written() {
	const why = "a client that uses its cache writes into it, if only a lock"
	const most = 10_000 // an upper may hold a million
	for _, m := range l.mounts {
		if !hasUpper(m) {
			continue
		}
		upper := filepath.Join(l.lease.Instance, mountName(m), "u")
		files, bytes := 0, int64(0)
		err := filepath.WalkDir(upper, func(path string, d fs.DirEntry, err error) error {
			if err != nil || path == upper {
				return err
			}
			if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
				files, bytes = files+1, bytes+info.Size()
			}
			if files >= most {
				return fs.SkipAll
			}
			return nil
		})
		detail := fmt.Sprintf("%d files, %s", files, sizeText(bytes))
		if files == 0 {
			detail = "nothing yet"
		}
		if files >= most {
			detail = "more than " + detail
		}
		l.note(mountName(m)+" wrote", detail, why, err, stateUnknown, "run as root")
	}
}

// elsewhere are variables that make a client pass over its cache, whatever is mounted.
var elsewhere = map[string]string{"pip": "PIP_NO_CACHE_DIR", "uv": "UV_NO_CACHE"}

// variables looks for those of clients that point past the mounts.
func (l *containerLook) variables() {
	const why = "a client goes by its variable, not by where a view is mounted"
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", l.lease.PID))
	if err != nil {
		l.note("variables", "", why, err, stateUnknown, "run as root")
		return
	}
	env := map[string]string{}
	for word := range strings.SplitSeq(string(text), "\x00") {
		name, value, _ := strings.Cut(word, "=")
		env[name] = value
	}
	before := len(l.findings)
	for _, m := range l.mounts {
		for _, client := range ecosystem.Clients() {
			if client.Name != mountName(m) {
				continue
			}
			if dir, set := env[client.Variable]; set && client.Variable != "" && filepath.Clean(dir) != m.Mountpoint {
				l.note("variables", "", why, fmt.Errorf("%s=%s, and the view is at %s", client.Variable, dir, m.Mountpoint), stateFail,
					fmt.Sprintf("mount_points = { %s = %q } in the container's profile, or take the variable out of its image", client.Name, dir))
			}
			if no := elsewhere[client.Name]; no != "" && env[no] != "" && env[no] != "0" && env[no] != "false" {
				l.note("variables", "", why, fmt.Errorf("%s=%s: no cache is used", no, env[no]), stateFail, "take it out of the image")
			}
		}
	}
	if len(l.findings) == before {
		l.note("variables", "none points elsewhere, of those that its first process began with", why, nil, "", "")
	}
}

// log looks for the hook's lines about the container.
func (l *containerLook) log(ctx context.Context) {
	const why = "the hook says in one line what a container got, and why it got nothing"
	text, err := l.logged(ctx)
	last := ""
	for line := range strings.Lines(text) {
		if strings.Contains(line, " "+l.id+":") {
			last = strings.TrimSpace(line)
		}
	}
	if err == nil && last == "" {
		err = errors.New("no line about this container")
	}
	l.note("hook's log", last, why, err, stateUnknown, "look where the hook's --log, or the system log, puts its lines")
}

// logged is what the hook said of late: in the file that the container's own configuration names, or a
// definition of the host, else in the system log.
func (l *containerLook) logged(ctx context.Context) (string, error) {
	used := definitions("/", append(append([]string{}, hooksDirs...), cdiDirs...))
	if own, ok := readDefinition(filepath.Join(l.lease.Bundle, "config.json")); ok && l.lease.Bundle != "" {
		used = append([]hookFile{own}, used...)
	}
	for _, d := range used {
		if d.log == "" {
			continue
		}
		f, err := os.Open(d.log)
		if err != nil {
			return "", err
		}
		defer f.Close()
		const most = 4 << 20
		if st, err := f.Stat(); err == nil && st.Size() > most {
			_, _ = f.Seek(-most, io.SeekEnd)
		}
		text, err := io.ReadAll(io.LimitReader(f, most))
		return string(text), err
	}
	ctx, done := shortly(ctx)
	defer done()
	out, err := exec.CommandContext(ctx, "journalctl", "--no-pager", "-q", "-o", "short-iso", "-t", "larder-hook", "-n", "10000").Output()
	if err != nil {
		return "", errors.New("journalctl does not tell")
	}
	return string(out), nil
}
