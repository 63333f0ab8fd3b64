package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"larder/builder"
	"larder/cmd/internal/config"
	"larder/overlay/keep"
	"larder/snapshot"
)

// storeLook looks at a store, and remembers what its current snapshot holds.
type storeLook struct {
	c        *cli.Context
	dir      string
	manifest *snapshot.Manifest // nil where there is none, or it cannot be read
}

func (l *storeLook) checks() []finding {
	const why = "containers and commands get their caches from it"
	s, err := snapshot.Open(l.dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, snapshot.ErrNoStore) {
		return []finding{judge("store", "store", "", why, err, stateWarn, "larder build, which makes one"), timerCheck("/")}
	}
	if err != nil {
		return []finding{judge("store", "store", "", why, err, stateWarn, hintOf(err)), timerCheck("/")}
	}
	checks := []finding{judge("store", "store", s.Dir(), why, nil, "", ""), l.current(s), l.kept(s), l.disk(s), l.lastBuild(s), timerCheck("/")}
	return checks
}

func (l *storeLook) current(s *snapshot.Store) finding {
	const why = "it is what a new container gets"
	id, err := s.Current()
	if errors.Is(err, snapshot.ErrNoSnapshot) {
		return judge("store", "current snapshot", "", why, err, stateWarn, "larder build")
	}
	if err == nil {
		l.manifest, err = manifestOf(s, id)
	}
	if bad := s.Bad(id); err == nil && bad != nil {
		err = fmt.Errorf("%s is marked bad, and containers get the newest good one: %s", id.Short(), bad)
	}
	if err != nil {
		return judge("store", "current snapshot", "", why, err, stateWarn, "larder verify, which names what mends it")
	}
	return judge("store", "current snapshot", fmt.Sprintf("%s: %d artifacts, views %s", id.Short(), len(l.manifest.Artifacts), strings.Join(l.manifest.Views, ", ")), why, nil, "", "")
}

func (l *storeLook) kept(s *snapshot.Store) finding {
	const why = "an attach to a snapshot that is kept mounted takes a tenth of the time"
	id, err := s.Current()
	var kept []string
	if err == nil {
		kept, err = keep.Dir(l.c.String("run-dir")).List(s.ObjectsDir())
	}
	if err == nil && !slices.Contains(kept, id.String()) {
		err = errors.New("the current snapshot is not kept mounted")
	}
	return judge("store", "kept mounts", "the current snapshot is kept mounted", why, err, stateWarn, "larder mount")
}

// disk compares what is free with what attaches must leave, by the configuration, and with a build.
func (l *storeLook) disk(s *snapshot.Store) finding {
	const why = "with less than min_free nothing is attached, and a build needs room for what is new"
	var st unix.Statfs_t
	if err := unix.Statfs(s.Dir(), &st); err != nil {
		return judge("store", "free disk", "", why, err, stateUnknown, "df "+s.Dir())
	}
	free, least := int64(st.Bavail)*st.Frsize, int64(config.DefaultMinFree)
	if cfg, err := loadConfig(l.c); err == nil {
		least = int64(cfg.Run.MinFree)
	}
	var err error
	if free < least || st.Blocks > 0 && st.Bavail*20 < st.Blocks {
		err = fmt.Errorf("%s free, %d %% of the file system", sizeText(free), st.Bavail*100/max(1, st.Blocks))
	} else if st.Files > 0 && st.Ffree*20 < st.Files {
		err = fmt.Errorf("%d inodes free, of %d", st.Ffree, st.Files)
	}
	return judge("store", "free disk", sizeText(free), why, err, stateWarn, "larder gc; larder du says what takes the room")
}

// lastBuild calls what was built as what is current is called.
func (l *storeLook) lastBuild(s *snapshot.Store) finding {
	return lastBuildCheck(s.HistoryPath(), nounIn(l.manifest), time.Now())
}

// lastBuildCheck reads how the last build ended. The timer's comes once a week.
func lastBuildCheck(history, noun string, now time.Time) finding {
	const why = "without builds the snapshot ages, and containers download what is newer"
	const fix = "larder build"
	f, err := os.Open(history)
	if err != nil {
		return judge("store", "last build", "", why, errors.New("no build is noted"), stateWarn, fix)
	}
	defer f.Close()
	var last builder.Run
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var run builder.Run
		if json.Unmarshal(lines.Bytes(), &run) == nil && (run.Command == "" || run.Command == "build") {
			last = run
		}
	}
	at := last.Time.Local().Format(time.DateTime)
	switch {
	case last.Time.IsZero():
		err = errors.New("no build is noted")
	case last.Exit != exitOK && last.Exit != exitSkips:
		err = fmt.Errorf("failed at %s with %d: %s", at, last.Exit, last.Error)
	case now.Sub(last.Time) > 15*24*time.Hour:
		err = fmt.Errorf("%s, %d days ago", at, int(now.Sub(last.Time).Hours()/24))
	}
	return judge("store", "last build", fmt.Sprintf("%s: %d %ss, %d skipped", at, last.Wheels, noun, last.Skipped), why, err, stateWarn, fix)
}

// timerCheck says whether something below root builds every week: the unit that systemd starts, or a
// line of cron.
func timerCheck(root string) finding {
	const why = "it stocks what is new, and collects what is old"
	for _, dir := range []string{"etc/systemd/system", "run/systemd/system", "usr/lib/systemd/system"} {
		path := filepath.Join(root, dir, "timers.target.wants", timerName)
		if _, err := os.Lstat(path); err == nil {
			return judge("store", "timer", timerName+" is enabled", why, nil, "", "")
		}
	}
	files := []string{"etc/crontab", "etc/cron.d/*", "var/spool/cron/crontabs/root", "var/spool/cron/root"}
	for _, pattern := range files {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, path := range found {
			text, err := os.ReadFile(path)
			for line := range strings.Lines(string(text)) {
				if err == nil && !strings.HasPrefix(line, "#") && strings.Contains(line, "larder") && strings.Contains(line, " build") {
					return judge("store", "timer", "a line of "+path, why, nil, "", "")
				}
			}
		}
	}
	err := errors.New("no timer and no line of cron builds")
	fix := "larder setup timer, or larder setup timer --cron"
	if _, there := os.Lstat(filepath.Join(root, "etc/systemd/system", timerName)); there == nil {
		err, fix = errors.New(timerName+" is written, and not enabled"), "systemctl daemon-reload && systemctl enable --now "+timerName
	}
	return judge("store", "timer", "", why, err, stateWarn, fix)
}
